// Binds claims to volumes, makes directories for those of podium's own class, and lets volumes and claims go
// when nobody uses them any more.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"

#include <string>

namespace podium {

/// Nobody asks it anything: it acts on what it sees of the registry.
using volume_binder_actor = caf::typed_actor<caf::reacts_to<ack>>;

struct volume_binder_settings {
  registry_actor registry;
  event_recorder_actor recorder; ///< may be null
  volume_manager_actor volumes;  ///< makes directories; null: none are made
  std::string node_name;         ///< where they lie
  store_actor store;             ///< remembers that the default class was made; null: none is made
};

volume_binder_actor spawn_volume_binder(caf::actor_system& system, env_ptr env,
                                        volume_binder_settings settings);

} // namespace podium
