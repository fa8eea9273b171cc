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
  void ended() override;

private:
  using promise = caf::typed_response_promise<image_info>;
  struct waiter {
    ensure_image request;
    uint64_t question = 0;
    clock_time since;
  };
  void ensure(const ensure_image& request, uint64_t question);
  void pull(const ensure_image& request, uint64_t question);
  void answer(uint64_t question, caf::expected<image_info> result);
  void pulled(const std::string& image, const caf::expected<image_info>& result);
  void event(const ensure_image& request, const char* type, const char* reason, std::string message);

  const node_context_ptr ctx_;
  std::map<std::string, std::vector<waiter>> pulls_;
  std::map<uint64_t, promise> open_; ///< every question that was not answered yet
  uint64_t last_question_ = 0;
};

} // namespace podium
