// One probe of one container: ticks by its period, runs through the prober port, reports what it stores to
// its container.
#pragma once
#include "actors/node_context.hpp"
#include "core/base_actor.hpp"

namespace podium {

class probe final : public base_actor<probe_actor> {
public:
  /// `memory` is what an earlier actor of this probe reported last.
  probe(caf::actor_config& cfg, node_context_ptr ctx, std::string path, container_actor container,
        object_ref pod, std::string container_name, probe_kind kind, probe_spec spec, probe_memory memory);

protected:
  behavior_type handlers() override;
  void on_start() override;
  void ended() override;

private:
  nanoseconds period() const;
  nanoseconds some_of_the_period();
  void arm_tick(nanoseconds delay);
  void arm_tick_at(clock_time when);
  void tick();
  void look();
  void run(int tries);
  void finished(const probe_outcome& outcome);
  void report(const std::string& output);

  const node_context_ptr ctx_;
  container_actor container_;
  const object_ref pod_;
  const std::string container_name_;
  const probe_kind kind_;
  const probe_spec spec_;
  random_stream random_;
  // Survives a restart in place.
  uint64_t question_ = 0; ///< the last one asked of the executor; answers to others come too late
  probe_memory memory_;
  probe_target target_;
  bool over_ = false, up_ = false; ///< up_: it has been started before
  // Volatile.
  bool running_ = false, tick_missed_ = false;
  clock_time given_up_at_; ///< when a question that runs is taken for lost
  deadline_set::id next_tick_ = 0;
  clock_time tick_due_;
  bool on_grid_ = false; ///< whether the next tick is on its period's grid
};

} // namespace podium
