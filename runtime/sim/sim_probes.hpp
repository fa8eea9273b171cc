// The probe port over a simulated world: commands and ports answer by the container's profile.
#pragma once
#include "core/base_actor.hpp"
#include "messages/interfaces.hpp"
#include "runtime/sim/sim_world.hpp"

namespace podium {

/// Runs probes against a simulated world. What takes as long as the probe's time-out or longer fails at the
/// time-out, as it does on a node (source: pod-semantics §1.4).
class sim_probes final : public base_actor<probe_executor_actor> {
public:
  sim_probes(caf::actor_config& cfg, env_ptr env, std::string path, std::shared_ptr<sim_world> world);

protected:
  behavior_type handlers() override;

private:
  /// An outcome and how long it takes.
  struct timed_outcome {
    probe_outcome outcome;
    nanoseconds after{0};
  };
  timed_outcome judge(const run_probe& request);
  timed_outcome judge_exec(const run_probe& request, nanoseconds timeout);
  timed_outcome judge_http(const run_probe& request, nanoseconds timeout);
  timed_outcome judge_grpc(const run_probe& request, nanoseconds timeout);
  timed_outcome judge_tcp(const run_probe& request, nanoseconds timeout);
  bool reachable(const run_probe& request) const;

  std::shared_ptr<sim_world> world_;
};

} // namespace podium
