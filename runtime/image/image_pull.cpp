#include "runtime/image/image_pull.hpp"
#include "core/error.hpp"
#include "runtime/image/digest.hpp"
#include "runtime/image/image_files.hpp"
#include "runtime/image/logins.hpp"
#include "runtime/image/pull_places.hpp"
#include "runtime/image/skopeo.hpp"
#include "runtime/loop/event_loop.hpp"
#include "runtime/process/launcher.hpp"
#include <algorithm>
#include <unistd.h>

namespace podium {

namespace fs = std::filesystem;

namespace {

// What a local layout has under the wanted name. Blocks.
caf::expected<blob_descriptor> look_into_layout(const fs::path& layout, const image_reference& ref) {
  auto text = read_file(layout / "index.json", max_document_bytes);
  if (!text) return std::move(text.error());
  auto index = parse_layout_index(*text);
  if (!index) return std::move(index.error());
  if (auto found = find_in_layout(*index, ref.name(), ref.tag, ref.digest)) return *found;
  return make_error(errc::not_found, "not in the layout " + layout.string());
}

caf::error nobody_waits() {
  return make_error(errc::cancelled, "nobody waits for it any more");
}

} // namespace

image_pull::image_pull(const parts& with, image_reference reference, std::vector<registry_login> logins,
                       std::function<void(const image_pull&)> ended)
    : with_(with), reference_(std::move(reference)), logins_(std::move(logins)),
      key_(key_of(reference_, logins_)), ended_(std::move(ended)),
      sources_(sources_for(with.files->settings(), reference_.domain)) {}

std::string image_pull::key_of(const image_reference& reference, const std::vector<registry_login>& logins) {
  return reference.text() + "\n" + identity_of(logins);
}

template <class F>
auto image_pull::when_here(F f) {
  return [weak = weak_from_this(), f = std::move(f)](auto&&... args) {
    if (auto self = weak.lock(); self && !self->closed_) f(*self, std::forward<decltype(args)>(args)...);
  };
}

void image_pull::submit(std::function<void()> work, std::function<void(image_pull&)> then) {
  if (!with_.pool.submit(std::move(work), when_here(std::move(then))))
    failed(make_error(errc::unavailable, "too much work is waiting"));
}

void image_pull::start() {
  try_source();
}

std::optional<pull_progress> image_pull::progress() const {
  if (command_ == 0 && !fetched_) return std::nullopt;
  return pull_progress{with_.children.written_bytes(command_), fetched_};
}

void image_pull::try_source() {
  // Who waited while it was unpacked may have gone: another try is made for nobody.
  if (given_up_ || waiting_.empty() || next_source_ == sources_.size()) return finish(failure());
  if (!is_layout(source())) {
    fitting_ = fitting_logins(logins_, name_at(source(), reference_));
    return take_place(source().location, {});
  }
  auto found = std::make_shared<std::optional<caf::expected<blob_descriptor>>>();
  submit([found, path = layout_path(source()),
          ref = reference_] { found->emplace(look_into_layout(path, ref)); },
         [found](image_pull& self) { self.found_in_layout(std::move(**found)); });
}

void image_pull::found_in_layout(caf::expected<blob_descriptor> found) {
  if (!found) return failed(std::move(found.error()));
  digests_ = {reference_.name() + "@" + found->digest};
  with_.name_known(found->digest, reference_.tagged(), digests_,
                   when_here([ref_name = found->ref_name](image_pull& self, caf::expected<image_ptr> known) {
                     if (known) return self.finish(std::move(known));
                     self.take_place({}, ref_name);
                   }));
}

/// Only who has something to fetch waits for a turn, and only for those who fetch at the same place.
void image_pull::take_place(const std::string& registry, const std::string& layout_name) {
  leave_place();
  // Later, so that the place's number is known to whoever leaves it.
  auto go = when_here([layout_name](image_pull& self) { self.copy(layout_name); });
  place_ = with_.places.take(registry, [&loop = with_.loop, go] { loop.post(go); });
}

void image_pull::leave_place() {
  with_.places.leave(std::exchange(place_, 0));
}

void image_pull::copy(const std::string& layout_name) {
  if (next_login_ == fitting_.size()) return run_skopeo(layout_name);
  auto host = name_at(source(), reference_);
  host.resize(host.find('/'));
  auth_file_ = with_.files->temporary("auth");
  auto failed_to = std::make_shared<caf::error>();
  submit([failed_to, file = auth_file_,
          text = auth_file_text(fitting_[next_login_], host)] { *failed_to = write_auth_file(file, text); },
         [layout_name, failed_to](image_pull& self) {
           if (*failed_to) return self.failed(*failed_to);
           self.run_skopeo(layout_name);
         });
}

// Also where nothing came of it: what is in the file is secret.
void image_pull::drop_auth_file() {
  if (auth_file_.empty()) return;
  auto remove = [file = auth_file_] { ::unlink(file.c_str()); };
  if (!with_.pool.submit(remove, {})) remove();
  auth_file_.clear();
}

void image_pull::run_skopeo(const std::string& layout_name) {
  if (given_up_ || waiting_.empty()) return failed(nobody_waits());
  auto& settings = with_.files->settings();
  copied_ = with_.files->temporary("pull");
  command what;
  what.process.die_with_parent = true; // the next daemon begins with an empty tmp/
  what.process.argv = skopeo_copy_command(settings, source(), reference_, layout_name, copied_,
                                          with_.files->blobs(), auth_file_.string());
  what.process.env = current_environment({"TMPDIR", "REGISTRY_AUTH_FILE"});
  what.process.env.push_back("TMPDIR=" + (settings.root / "tmp").string());
  what.timeout = settings.pull_timeout;
  what.output_limit_bytes = 64 * 1'024;
  command_ = with_.children.run(std::move(what),
                                when_here([](image_pull& self, caf::expected<command_result> result) {
                                  self.command_ = 0;
                                  self.copied(std::move(result));
                                }));
}

void image_pull::copied(caf::expected<command_result> result) {
  drop_auth_file();
  if (!result) return failed(std::move(result.error()));
  if (given_up_) return failed(nobody_waits());
  if (result->timed_out) {
    auto seconds = std::to_string(with_.files->settings().pull_timeout.count());
    return failed(make_error(errc::timeout, "skopeo did not finish within " + seconds + " s"));
  }
  if (result->status.shell_code() != 0) {
    auto text = skopeo_error(result->err);
    auto full = text.find("no space left on device") != text.npos;
    auto err = make_error(full ? errc::no_space : errc::image_pull, std::move(text));
    if (next_login_ + 1 >= fitting_.size()) return failed(std::move(err));
    note(std::move(err));
    ++next_login_;
    return copy({});
  }
  fetched_ = true; // from now on it is finished also for nobody, unless that fails
  if (auto digested = reference_.digested(); !digested.empty() && digests_.empty()) digests_ = {digested};
  with_.add(copied_, reference_.tagged(), digests_,
            when_here([](image_pull& self, caf::expected<image_ptr> added) {
              if (added) return self.finish(std::move(added));
              self.fetched_ = false;
              // A blob of the store that was missing or corrupt is gone now: skopeo fetches it anew.
              if (code_of(added.error()) == errc::image_pull && !self.retried_) {
                self.retried_ = true;
                return self.try_source();
              }
              self.failed(std::move(added.error()));
            }));
}

// Two logins that are refused in the same words are one reason.
void image_pull::note(caf::error err) {
  auto text = message_of(err);
  if (std::find(reasons_.begin(), reasons_.end(), text) == reasons_.end())
    reasons_.push_back(std::move(text));
  last_error_ = std::move(err);
}

void image_pull::failed(caf::error err) {
  drop_auth_file();
  leave_place();
  note(std::move(err));
  digests_.clear();
  fitting_.clear();
  next_login_ = 0;
  ++next_source_;
  try_source();
}

caf::error image_pull::failure() const {
  std::string text = "failed to pull image \"" + reference_.text() + "\": ";
  if (reasons_.empty()) text += "no source is configured for " + reference_.domain;
  for (size_t i = 0; i < reasons_.size(); ++i)
    text += (i ? "; " : "") + reasons_[i];
  auto code = code_of(last_error_);
  auto keep = code == errc::no_space || code == errc::too_large;
  return make_error(keep ? code : errc::image_pull, std::move(text));
}

void image_pull::finish(caf::expected<image_ptr> result) {
  auto self = shared_from_this(); // the store lets go of it
  leave_place();
  if (!copied_.empty())
    with_.pool.submit(
        [dir = copied_] {
          std::error_code ec;
          fs::remove_all(dir, ec);
        },
        {});
  auto waiting = std::move(waiting_);
  ended_(*this);
  for (auto& [request, done] : waiting)
    done(result);
}

void image_pull::give_up() {
  given_up_ = true;
  if (with_.places.waits(place_)) return finish(nobody_waits());
  if (command_ != 0) with_.children.cancel(command_);
}

void image_pull::close() {
  closed_ = true;
  if (command_ != 0) with_.children.cancel(command_);
  if (!auth_file_.empty()) ::unlink(auth_file_.c_str());
}

} // namespace podium
