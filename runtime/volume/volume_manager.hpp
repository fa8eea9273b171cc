// The volume port of a real node: work on one pod's volumes is done in order, on threads of its own: a path
// that hangs holds up nobody but the pods that want it.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "runtime/loop/event_loop.hpp"
#include "runtime/volume/volume_maker.hpp"

namespace podium {

/// The loop must outlive the actor.
volume_manager_actor spawn_volume_manager(caf::actor_system& system, env_ptr env, event_loop& loop,
                                          volume_settings settings);

} // namespace podium
