// The scheduler: watches pods and nodes, places what has no node, and binds it.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"

namespace podium {

/// Spawns the scheduler for pods whose schedulerName is default-scheduler or empty. `recorder` may be null.
///
/// It acts on what it sees: a lost, doubled or late message costs time, never a wrong binding. A pod that is
/// being bound counts on its node (assumed) until the registry shows or denies it.
scheduler_actor spawn_scheduler(caf::actor_system& system, env_ptr env, registry_actor registry,
                                event_recorder_actor recorder);

} // namespace podium
