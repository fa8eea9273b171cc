#include "actors/image_puller.hpp"

namespace podium {
namespace {
// A pull may be long; this bounds one that hangs.
constexpr auto pull_timeout = std::chrono::minutes{20};
} // namespace

image_puller::image_puller(caf::actor_config& cfg, node_context_ptr ctx, std::string path)
    : base_actor(cfg, ctx->env, std::move(path)), ctx_(std::move(ctx)) {}

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
  if (request.policy == "Always") return pull(request, question);
  ask(
      ctx_->images, ctx_->settings.request_timeout,
      [this, request, question](const image_info& info) {
        event(request, "Normal", "Pulled",
              "Container image \"" + request.image + "\" already present on machine");
        answer(question, info);
      },
      [this, request, question](const caf::error& err) {
        auto code = code_of(err);
        if (code == errc::not_found && request.policy != "Never") return pull(request, question);
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

void image_puller::pull(const ensure_image& request, uint64_t question) {
  auto [i, first] = pulls_.try_emplace(request.image);
  auto same = [&](const waiter& w) {
    return w.request.pod->uid() == request.pod->uid() && w.request.container == request.container;
  };
  // Who lost patience and asks again takes its own place.
  if (auto known = std::find_if(i->second.begin(), i->second.end(), same); known != i->second.end()) {
    open_.erase(known->question);
    known->question = question;
    return;
  }
  i->second.push_back({request, question, now()});
  event(request, "Normal", "Pulling", "Pulling image \"" + request.image + "\"");
  if (!first) return;
  auto image = request.image;
  ask(
      ctx_->images, pull_timeout, [this, image](const image_info& info) { pulled(image, info); },
      [this, image](const caf::error& err) { pulled(image, err); }, pull_image{image});
}

void image_puller::pulled(const std::string& image, const caf::expected<image_info>& result) {
  auto node = pulls_.extract(image);
  if (node.empty()) return;
  for (auto& w : node.mapped()) {
    if (result) {
      auto took = to_go_duration(std::chrono::floor<std::chrono::milliseconds>(now() - w.since));
      event(w.request, "Normal", "Pulled",
            "Successfully pulled image \"" + image + "\" in " + took + " (" + took
                + " including waiting). Image size: " + std::to_string(result->size_bytes) + " bytes.");
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
