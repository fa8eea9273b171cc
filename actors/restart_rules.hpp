// Whether and when a container starts again. Pure. Source: pod-semantics §3.2, §3.3.
#pragma once
#include "messages/lifecycle.hpp"
#include "messages/node_settings.hpp"

namespace podium {

/// The policy that holds for a container: its own, or the pod's (Always by default).
std::string restart_policy_of(const pod_spec& pod, const container_spec& container);

/// Whether an instance that ended with `exit_code` is to be followed by another.
bool should_restart(std::string_view policy, int32_t exit_code);

struct start_decision {
  bool start = false;   ///< now; `back_off` is written
  wall_time retry_at;   ///< else: when the back-off ends
  nanoseconds delay{0}; ///< the back-off in force
};

/// Decides on a start after an instance that ended at `finished_at`, and moves the back-off when it starts.
start_decision decide_restart(const back_off_settings& settings, wall_time finished_at, wall_time now,
                              back_off_memory& back_off);

/// The delay after one more failed pull, and until when it holds. Source: pod-semantics §7.
nanoseconds next_pull_delay(const back_off_settings& settings, wall_time now, const pull_memory& pull);

} // namespace podium
