// Pulls images by policy, one pull per image at a time: who asks for an image that is on its way shares it.
#pragma once
#include "actors/node_context.hpp"
#include "core/base_actor.hpp"

namespace podium {

class image_puller final : public base_actor<image_puller_actor> {
public:
  image_puller(caf::actor_config& cfg, node_context_ptr ctx, std::string path);

protected:
  behavior_type handlers() override;
  void on_start() override;

private:
  using promise = caf::typed_response_promise<image_info>;
  struct waiter {
    ensure_image request;
    promise answer;
    clock_time since;
  };
  void ensure(const ensure_image& request, promise answer);
  void pull(const ensure_image& request, promise answer);
  void pulled(const std::string& image, const caf::expected<image_info>& result);
  void event(const ensure_image& request, const char* type, const char* reason, std::string message);

  const node_context_ptr ctx_;
  std::map<std::string, std::vector<waiter>> pulls_;
};

} // namespace podium
