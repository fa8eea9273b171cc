#include "actors/image_puller.hpp"

namespace podium {
namespace {
// A pull may be long; this bounds one that hangs.
constexpr auto pull_timeout = std::chrono::minutes{20};
} // namespace

image_puller::image_puller(caf::actor_config& cfg, node_context_ptr ctx, std::string path)
    : base_actor(cfg, ctx->env, std::move(path)), ctx_(std::move(ctx)) {}

void image_puller::on_start() {
  for (auto& [image, waiters] : pulls_)
    for (auto& w : waiters)
      w.answer.deliver(make_error(errc::image_pull, "the image puller was restarted"));
  pulls_.clear();
}

image_puller::behavior_type image_puller::handlers() {
  return {[this](const ensure_image& request) {
    auto answer = this->make_response_promise<image_info>();
    ensure(request, answer);
    return answer;
  }};
}

void image_puller::ensure(const ensure_image& request, promise answer) {
  if (request.policy == "Always") return pull(request, answer);
  ask(
      ctx_->images, ctx_->settings.request_timeout,
      [this, request, answer](const image_info& info) mutable {
        event(request, "Normal", "Pulled",
              "Container image \"" + request.image + "\" already present on machine");
        answer.deliver(info);
      },
      [this, request, answer](const caf::error& err) mutable {
        auto code = code_of(err);
        if (code == errc::not_found && request.policy != "Never") return pull(request, answer);
        if (code == errc::not_found) {
          auto text = "Container image \"" + request.image + "\" is not present with pull policy of Never";
          event(request, "Warning", "ErrImageNeverPull", text);
          answer.deliver(make_error(errc::not_found, text));
          return;
        }
        auto text = code == errc::image_name
                        ? "Failed to apply default image tag \"" + request.image + "\": " + message_of(err)
                        : "Failed to inspect image \"" + request.image + "\": " + message_of(err);
        event(request, "Warning", "InspectFailed", text);
        answer.deliver(make_error(code == errc::image_name ? errc::image_name : errc::image_inspect, text));
      },
      inspect_image{request.image});
}

void image_puller::pull(const ensure_image& request, promise answer) {
  auto [i, first] = pulls_.try_emplace(request.image);
  i->second.push_back({request, answer, now()});
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
      w.answer.deliver(*result);
    } else {
      event(w.request, "Warning", "Failed",
            "Failed to pull image \"" + image + "\": " + message_of(result.error()));
      w.answer.deliver(result.error());
    }
  }
}

void image_puller::event(const ensure_image& r, const char* type, const char* reason, std::string message) {
  this->send(ctx_->recorder, pod_event(*ctx_, *r.pod, r.container, type, reason, std::move(message)));
}

} // namespace podium
