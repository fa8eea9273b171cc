// Keeps the images' disk from filling up: looks at it every so often and removes images that nothing uses.
#pragma once
#include "actors/image_gc_rules.hpp"
#include "actors/node_context.hpp"
#include "core/base_actor.hpp"

namespace podium {

class image_collector final : public base_actor<image_collector_actor> {
public:
  image_collector(caf::actor_config& cfg, node_context_ptr ctx, std::string path);

protected:
  behavior_type handlers() override;
  void on_start() override;

private:
  /// One look and what comes of it.
  struct round {
    image_list images;
    image_gc_plan plan;
    size_t next = 0;
    int64_t freed_bytes = 0;
    std::vector<std::string> errors;
  };

  void collect();
  void look();
  void remove_next(std::shared_ptr<round> r);
  void finish(const round& r);
  void ended_with(const std::string& problem);
  void event(const char* reason, const std::string& message);

  const node_context_ptr ctx_;
  // Survives a restart in place.
  image_uses uses_;
  bool looked_ = false;        ///< what was there before the first look is of unknown age: old
  bool failed_before_ = false; ///< a failure is told when it is not the first in a row
  // Volatile.
  bool busy_ = false, again_ = false;
  deadline_set::id timer_ = 0;
};

} // namespace podium
