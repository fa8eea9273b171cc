// What each container of a pod is to do now: the order of start and of end. Pure. Source: pod-semantics §3.1,
// §3.6, §4.
#pragma once
#include "actors/restart_rules.hpp"

namespace podium {

/// How far a pod is, beside its containers.
enum class pod_stage : uint8_t {
  preparing, ///< no sandbox yet, or no volumes
  ready,     ///< containers may run
  renewing,  ///< the sandbox is of no use: everything in it ends, then it is made anew
  ending,    ///< terminating
};
BOOST_DESCRIBE_ENUM(pod_stage, preparing, ready, renewing, ending)

struct container_order {
  container_wish wish = container_wish::hold;
  bool hold_signal = false; ///< for stop: others are to end first
  bool operator==(const container_order&) const = default;
};

struct pod_orders {
  std::map<std::string, container_order> containers; ///< all of the spec's
  /// Nothing is left to do but to end what still runs: why, in the words of events; "" while there is.
  std::string over;
  /// The containers are ended to begin anew in place (RestartAllContainers): why; "" when not.
  std::string reset;
};

/// Judges a pod by its spec and what its containers are. A container that is told to run restarts, backs off
/// and settles by its own rules.
pod_orders order_containers(const pod_spec& spec, const pod_memory& memory, pod_stage stage);

/// The round a container is in: its instances of earlier rounds count as none.
uint32_t round_of(const pod_memory& memory, const std::string& container);

/// Lets all containers begin anew but ephemeral ones, with init containers first.
void begin_new_round(const pod_spec& spec, pod_memory& memory);

/// The same after the sandbox was lost with all in it: what had succeeded and is not run again on success
/// stays so. False: a pod that never restarts ends instead. Source: pod-semantics §3.1.1.
bool begin_in_new_sandbox(const pod_spec& spec, pod_memory& memory);

} // namespace podium
