// The OCI runtime as the typed actor that pods and containers talk to.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "runtime/oci/oci_runtime.hpp"

namespace podium {

/// `runtime` (started) must outlive the actor. `addresses` are the node's, for get_machine_facts.
container_runtime_actor spawn_container_runtime(caf::actor_system& system, env_ptr env, oci_runtime& runtime,
                                                std::vector<node_address> addresses);

} // namespace podium
