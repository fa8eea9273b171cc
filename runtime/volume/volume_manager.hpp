// The volume port of a real node: work on one pod's volumes is done in order, in the work pool.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "runtime/loop/event_loop.hpp"
#include "runtime/volume/volume_maker.hpp"

namespace podium {

/// Loop and pool must outlive the actor.
volume_manager_actor spawn_volume_manager(caf::actor_system& system, env_ptr env, event_loop& loop,
                                          work_pool& pool, volume_settings settings);

} // namespace podium
