#include "runtime/sim/sim_images.hpp"

#include "runtime/image/reference.hpp"
#include "runtime/sim/glob.hpp"
#include <cmath>

namespace podium {

namespace {

image_info info_of(const image_reference& reference, int64_t size_bytes) {
  random_stream digits{fnv1a(reference.text())};
  auto digest = [&] {
    static constexpr char hex[] = "0123456789abcdef";
    std::string out = "sha256:";
    for (int i = 0; i < 64; ++i)
      out += hex[digits.below(16)];
    return out;
  };
  image_info out;
  out.id = digest();
  out.repo_digest = reference.digest.empty() ? reference.name() + "@" + digest() : reference.digested();
  if (!reference.tag.empty()) out.names.push_back(reference.tagged());
  out.names.push_back(out.repo_digest);
  out.size_bytes = size_bytes;
  return out;
}

} // namespace

void sim_image_store::set(std::string pattern, sim_image image) {
  std::erase_if(by_pattern_, [&](auto& entry) { return entry.first == pattern; });
  by_pattern_.emplace_back(std::move(pattern), std::move(image));
}

const sim_image& sim_image_store::find(const std::string& image) const {
  for (auto i = by_pattern_.rbegin(); i != by_pattern_.rend(); ++i)
    if (glob_match(i->first, image)) return i->second;
  return default_;
}

caf::expected<image_info> sim_image_store::inspect(const std::string& image) const {
  auto reference = parse_image_reference(image);
  if (!reference) return reference.error();
  auto& profile = find(image);
  if (profile.broken) return make_error(errc::image_inspect, image + ": " + profile.failure);
  auto name = reference->text();
  if (auto i = present_.find(name); i != present_.end()) return i->second;
  if (profile.present && !removed_.contains(name)) return info_of(*reference, profile.size_bytes);
  return make_error(errc::not_found, "image " + image + " is not on this node");
}

caf::expected<image_info> sim_image_store::begin_pull(const std::string& image,
                                                      const std::vector<registry_login>& logins) {
  auto reference = parse_image_reference(image);
  if (!reference) return reference.error();
  auto& profile = find(image);
  auto tried = ++pulls_[reference->text()];
  if (profile.fail_pulls < 0 || tried <= static_cast<uint64_t>(profile.fail_pulls))
    return make_error(errc::image_pull, "pulling " + image + ": " + profile.failure);
  auto known = [&](const registry_login& login) { return login.password == profile.password; };
  if (!profile.password.empty() && std::none_of(logins.begin(), logins.end(), known))
    return make_error(errc::image_pull, "pulling " + image + ": authentication required");
  return info_of(*reference, profile.size_bytes);
}

void sim_image_store::finish_pull(const std::string& image) {
  auto reference = parse_image_reference(image);
  if (!reference) return;
  present_[reference->text()] = info_of(*reference, find(image).size_bytes);
  removed_.erase(reference->text());
}

void sim_image_store::remove(const std::string& image) {
  auto reference = parse_image_reference(image);
  if (!reference) return;
  present_.erase(reference->text());
  removed_.insert(reference->text());
}

image_list sim_image_store::list() const {
  image_list out;
  for (auto& [name, info] : present_)
    out.images.push_back(info);
  // A pattern that is no glob names one image.
  for (auto& [pattern, profile] : by_pattern_) {
    auto reference = parse_image_reference(pattern);
    if (!profile.present || !reference || present_.contains(reference->text())
        || removed_.contains(reference->text()))
      continue;
    out.images.push_back(info_of(*reference, profile.size_bytes));
  }
  for (auto& info : out.images)
    if (auto known = asked_.find(info.id); known != asked_.end()) info.asked_at = known->second;
  return out;
}

void sim_image_store::remove_id(const std::string& id) {
  for (auto& info : list().images) {
    if (info.id != id) continue;
    removed.push_back(info.names.front());
    return remove(info.names.front());
  }
}

image_disk sim_image_store::disk() const {
  auto left = capacity_bytes - other_bytes;
  for (auto& info : list().images)
    left -= info.size_bytes;
  return {capacity_bytes, std::max<int64_t>(left, 0)};
}

uint64_t sim_image_store::pulls(const std::string& image) const {
  auto reference = parse_image_reference(image);
  if (!reference) return 0;
  auto i = pulls_.find(reference->text());
  return i == pulls_.end() ? 0 : i->second;
}

sim_images::sim_images(caf::actor_config& cfg, env_ptr env, std::string path,
                       std::shared_ptr<sim_image_store> store)
    : base_actor(cfg, std::move(env), std::move(path)), store_(std::move(store)) {
  this->set_down_handler([this](const caf::down_msg& down) {
    auto asked = asked_by_.extract(down.source);
    if (asked.empty()) return;
    cancel(asked.mapped().end);
    begun_.erase(asked.mapped().image);
    store_->given_up.push_back(asked.mapped().image);
  });
}

sim_images::behavior_type sim_images::handlers() {
  return {
      [this](const inspect_image& x) -> caf::result<image_info> {
        auto info = store_->inspect(x.image);
        if (!info) return info.error();
        store_->asked(info->id, wall_now());
        return *info;
      },
      [this](const pull_image& x) -> caf::result<image_info> {
        auto outcome = store_->begin_pull(x.image, x.logins);
        if (!outcome && code_of(outcome.error()) == errc::image_name) return outcome.error();
        auto who = caf::actor_cast<caf::actor_addr>(this->current_sender());
        if (who) this->monitor(this->current_sender());
        auto promise = make_response_promise<image_info>();
        begun_[x.image] = now();
        asked_by_[who] = {x.image, 0};
        asked_by_[who].end =
            after(store_->pull_delay(x.image), [this, who, promise, image = x.image, outcome]() mutable {
              begun_.erase(image);
              asked_by_.erase(who);
              if (!outcome) {
                promise.deliver(outcome.error());
                return;
              }
              store_->finish_pull(image);
              store_->asked(outcome->id, wall_now());
              promise.deliver(*outcome);
            });
        return promise;
      },
      [this](const get_pull_progress& x) -> caf::result<pull_progress> {
        auto begun = begun_.find(x.image);
        if (begun == begun_.end()) return make_error(errc::not_found, "no pull is under way");
        // The last tenth of the time goes into unpacking.
        auto size = store_->size_of(x.image);
        auto fetching = store_->pull_delay(x.image) / 10 * 9;
        auto gone = std::min<nanoseconds>(now() - begun->second, fetching);
        if (gone >= fetching) return pull_progress{size, true};
        using seconds = std::chrono::duration<double>;
        return pull_progress{std::llround(static_cast<double>(size) * (seconds{gone} / seconds{fetching})),
                             false};
      },
      [this](const list_images&) { return store_->list(); },
      [this](const remove_image& x) -> caf::result<ack> {
        if (store_->used.contains(x.id)) return make_error(errc::conflict, "image " + x.id + " is in use");
        store_->remove_id(x.id);
        return ack{};
      },
      [this](const get_image_disk&) { return store_->disk(); },
  };
}

} // namespace podium
