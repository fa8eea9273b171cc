// Whether and when a container starts again. Pure. Source: pod-semantics §3.2, §3.3.
#pragma once
#include "actors/container_kinds.hpp"
#include "messages/lifecycle.hpp"
#include "messages/node_settings.hpp"

namespace podium {

/// By what a container's next instance is decided.
struct restart_terms {
  std::string policy;                               ///< Always, OnFailure, Never
  const std::vector<restart_rule>* rules = nullptr; ///< of the container's spec; null is none
};

/// The terms of a container: its own policy with its rules, or the pod's (Always by default). An init
/// container of such a pod is run again only where it failed; an ephemeral one never.
restart_terms restart_terms_of(const pod_spec& pod, const found_container& container);

enum class restart_action : uint8_t {
  none,
  restart,
  restart_all, ///< the whole pod begins anew, in place
};
BOOST_DESCRIBE_ENUM(restart_action, none, restart, restart_all)

/// Whether an instance that ended with `exit_code` is followed by another: the first rule that fits, else the
/// policy. Source: pod-semantics §3.2.
restart_action action_after(const restart_terms& terms, int32_t exit_code);

/// What follows an instance: also kills by probes, changed specs and the pod's new rounds are looked at. A
/// container that was never made, or runs, comes (`restart`).
restart_action next_action(const restart_terms& terms, const container_memory& memory, uint32_t round);

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
