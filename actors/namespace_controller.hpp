// Empties namespaces that are being deleted, their pods first, and lets them go once they are empty.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"

#include <string>
#include <vector>

namespace podium {

/// Nobody asks it anything: it acts on what it sees of the registry.
using namespace_controller_actor = caf::typed_actor<caf::reacts_to<ack>>;

/// `resources` are all namespaced ones, as registry keys name them.
namespace_controller_actor spawn_namespace_controller(caf::actor_system& system, env_ptr env,
                                                      registry_actor registry,
                                                      std::vector<std::string> resources);

} // namespace podium
