// Takes pods away from nodes that have a NoExecute taint they do not tolerate, or no longer do.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "messages/node.hpp"

#include <optional>
#include <vector>

namespace podium {

namespace taint_rules {

/// How long a pod may stay beside these taints from now on; nothing: for good. Only NoExecute counts. Source:
/// the taint eviction controller (getMinTolerationTime).
std::optional<nanoseconds> may_stay(const std::vector<toleration>& tolerations,
                                    const std::vector<taint>& taints);

} // namespace taint_rules

/// Nobody asks it anything: it acts on what it sees of the registry.
using taint_eviction_actor = caf::typed_actor<caf::reacts_to<ack>>;

taint_eviction_actor spawn_taint_eviction(caf::actor_system& system, env_ptr env, registry_actor registry,
                                          event_recorder_actor recorder);

} // namespace podium
