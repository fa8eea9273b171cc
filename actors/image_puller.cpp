#include "actors/image_puller.hpp"

#include <algorithm>

namespace podium {
namespace {
// A pull may be long; this bounds one that hangs.
constexpr auto pull_timeout = std::chrono::minutes{20};

std::string progress_text(const std::string& image, const pull_progress& so_far, const std::string& since) {
  auto text = "Pulling image \"" + image + "\": ";
  if (so_far.unpacking) return text + "unpacking, " + since + " since it began";
  auto tenths = so_far.fetched_bytes / ((1 << 20) / 10);
  return text + std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MiB fetched in " + since;
}
} // namespace

image_puller::image_puller(caf::actor_config& cfg, node_context_ptr ctx, node_actor node, std::string path)
    : base_actor(cfg, ctx->env, std::move(path)), ctx_(std::move(ctx)), node_(std::move(node)) {}

void image_puller::on_start() {
  // What was being asked for when an exception struck is asked again by who wants it.
  for (auto& [question, waiting] : open_)
    waiting.deliver(make_error(errc::unavailable, "the image puller was restarted"));
  open_.clear();
  pulls_.clear();
}

void image_puller::ended() {
  // A promise holds its own actor: kept, it would keep the dead one for ever.
  open_.clear();
  pulls_.clear();
  node_ = nullptr;
}

image_puller::behavior_type image_puller::handlers() {
  return {[this](const ensure_image& request) {
    auto answer_later = this->make_response_promise<image_info>();
    auto question = ++last_question_;
    open_.emplace(question, answer_later);
    ensure(request, question);
    return answer_later;
  }};
}

void image_puller::answer(uint64_t question, caf::expected<image_info> result) {
  auto asked = open_.extract(question);
  if (asked.empty()) return;
  if (result)
    asked.mapped().deliver(std::move(*result));
  else
    asked.mapped().deliver(std::move(result.error()));
}

void image_puller::ensure(const ensure_image& request, uint64_t question) {
  // Also for Always: what can be no name is said before any registry is asked.
  ask(
      ctx_->images, ctx_->settings.request_timeout,
      [this, request, question](const image_info& info) {
        if (request.policy == "Always") return join(request, question);
        event(request, "Normal", "Pulled",
              "Container image \"" + request.image + "\" already present on machine");
        answer(question, info);
      },
      [this, request, question](const caf::error& err) {
        auto code = code_of(err);
        bool pulls = request.policy == "Always" || (code == errc::not_found && request.policy != "Never");
        if (pulls && code != errc::image_name) return join(request, question);
        if (code == errc::not_found) {
          auto text = "Container image \"" + request.image + "\" is not present with pull policy of Never";
          event(request, "Warning", "ErrImageNeverPull", text);
          return answer(question, make_error(errc::not_found, text));
        }
        if (code != errc::image_name && code != errc::image_inspect) return answer(question, err);
        auto text =
            (code == errc::image_name ? "Failed to apply default image tag \"" : "Failed to inspect image \"")
            + request.image + "\": " + message_of(err);
        event(request, "Warning", "InspectFailed", text);
        answer(question, make_error(code, text));
      },
      inspect_image{request.image});
}

void image_puller::join(const ensure_image& request, uint64_t question) {
  auto& pulls = pulls_[request.image];
  auto same_pod = [&](const waiter& w) {
    return w.request.pod->uid() == request.pod->uid() && w.request.container == request.container;
  };
  auto same_logins = [&](const pull& p) {
    return std::equal(p.logins.begin(), p.logins.end(), request.logins.begin(), request.logins.end(),
                      [](auto& a, auto& b) {
                        return std::tie(a.registry, a.username, a.password, a.identity_token)
                               == std::tie(b.registry, b.username, b.password, b.identity_token);
                      });
  };
  // Who lost patience and asks again takes its own place.
  for (auto& p : pulls)
    for (auto& w : p.waiters)
      if (same_pod(w)) {
        open_.erase(w.question);
        w.question = question;
        return;
      }
  auto mine = std::find_if(pulls.begin(), pulls.end(), same_logins);
  if (mine == pulls.end()) mine = pulls.insert(pulls.end(), pull{request.logins, {}, {}});
  mine->waiters.push_back({request, question, now()});
  event(request, "Normal", "Pulling", "Pulling image \"" + request.image + "\"");
  if (pulls.size() == 1 && mine->waiters.size() == 1) begin(request.image);
}

void image_puller::begin(const std::string& image) {
  auto& first = pulls_[image].front();
  first.begun = now();
  first.number = ++last_pull_;
  watch_progress(image, first.number, ctx_->settings.pull_progress);
  ask(
      ctx_->images, pull_timeout, [this, image](const image_info& info) { pulled(image, info); },
      [this, image](const caf::error& err) { pulled(image, err); }, pull_image{image, first.logins});
}

void image_puller::watch_progress(const std::string& image, uint64_t number, nanoseconds next) {
  auto under_way = [this, image, number]() -> pull* {
    auto found = pulls_.find(image);
    return found != pulls_.end() && found->second.front().number == number ? &found->second.front() : nullptr;
  };
  after(next, [this, image, number, next, under_way] {
    if (!under_way()) return;
    ask(
        ctx_->images, ctx_->settings.request_timeout,
        [this, image, under_way](const pull_progress& so_far) {
          auto* p = under_way();
          if (!p) return;
          auto seconds = to_go_duration(std::chrono::floor<std::chrono::milliseconds>(now() - p->begun));
          for (auto& w : p->waiters)
            event(w.request, "Normal", "Pulling", progress_text(image, so_far, seconds));
        },
        [](const caf::error&) {}, get_pull_progress{image});
    watch_progress(image, number, next * 2);
  });
}

void image_puller::pulled(const std::string& image, const caf::expected<image_info>& result) {
  auto found = pulls_.find(image);
  if (found == pulls_.end()) return;
  auto over = std::move(found->second.front());
  found->second.pop_front();
  if (found->second.empty())
    pulls_.erase(found);
  else
    begin(image);
  // The next try may then find room.
  if (!result && code_of(result.error()) == errc::no_space) this->send(node_, collect_images{});
  auto since = [this](clock_time begun) {
    return to_go_duration(std::chrono::floor<std::chrono::milliseconds>(now() - begun));
  };
  for (auto& w : over.waiters) {
    if (result) {
      event(w.request, "Normal", "Pulled",
            "Successfully pulled image \"" + image + "\" in " + since(std::max(over.begun, w.since)) + " ("
                + since(w.since) + " including waiting). Image size: " + std::to_string(result->size_bytes)
                + " bytes.");
      answer(w.question, *result);
    } else {
      event(w.request, "Warning", "Failed",
            "Failed to pull image \"" + image + "\": " + message_of(result.error()));
      answer(w.question, result.error());
    }
  }
}

void image_puller::event(const ensure_image& r, const char* type, const char* reason, std::string message) {
  this->send(ctx_->recorder, pod_event(*ctx_, *r.pod, r.container, type, reason, std::move(message)));
}

} // namespace podium
