// Deletes what is owned by nobody any more, and carries out what a deletion says of dependents: Foreground
// waits for them, Orphan lets them stay.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"

#include <string>
#include <vector>

namespace podium {

/// Nobody asks it anything: it acts on what it sees of the registry.
using garbage_collector_actor = caf::typed_actor<caf::reacts_to<ack>>;

/// A resource whose objects own or are owned, and how ownerReferences name it.
struct collected_resource {
  std::string name;              ///< as registry keys have it
  std::string api_version, kind; ///< "v1", "Pod"
  bool namespaced = true;
};

/// References to kinds that are not among `resources` are left alone, and so is who has one.
garbage_collector_actor spawn_garbage_collector(caf::actor_system& system, env_ptr env,
                                                registry_actor registry,
                                                std::vector<collected_resource> resources);

} // namespace podium
