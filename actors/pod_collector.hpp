// Takes away the pods of nodes that are gone: nobody else can end them.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"

namespace podium {

namespace collector_rules {

/// For how long a node must have been missing. Source: the pod garbage collector's quarantineTime.
inline constexpr nanoseconds quarantine = std::chrono::seconds{40};

/// What becomes of a pod whose node is gone: its document with condition DisruptionTarget, and Failed unless
/// it has ended by itself.
boost::json::value orphaned(boost::json::value pod, wall_time now);

} // namespace collector_rules

/// Nobody asks it anything: it acts on what it sees of the registry.
using pod_collector_actor = caf::typed_actor<caf::reacts_to<ack>>;

pod_collector_actor spawn_pod_collector(caf::actor_system& system, env_ptr env, registry_actor registry);

} // namespace podium
