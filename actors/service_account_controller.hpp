// Gives every namespace its service account `default` and the ConfigMap `kube-root-ca.crt`, by which pods
// trust the API.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"

#include <string>

namespace podium {

/// Nobody asks it anything: it acts on what it sees of the registry.
using service_account_controller_actor = caf::typed_actor<caf::reacts_to<ack>>;

/// `root_certificate` is the PEM text of the cluster's authority; "" makes no ConfigMaps.
service_account_controller_actor spawn_service_account_controller(caf::actor_system& system, env_ptr env,
                                                                  registry_actor registry,
                                                                  std::string root_certificate);

} // namespace podium
