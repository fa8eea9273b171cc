// The store port in memory: for simulation, and for a daemon that is to forget. It may be told to fail.
#pragma once
#include "core/actor_env.hpp"
#include "core/error.hpp"
#include "messages/interfaces.hpp"

#include <map>
#include <memory>
#include <string>

namespace podium {

/// The "disk" of a memory store: outlives its actor, as a file does. Not for several threads at once.
struct memory_disk {
  std::map<std::string, store_put> rows;
  uint64_t revision = 0;
  /// The next commits that fail, and how.
  uint32_t failing_commits = 0;
  errc failure = errc::no_space;
  /// How long every answer takes (actor time).
  nanoseconds latency{0};
};

/// Spawns a store over `disk`.
store_actor spawn_memory_store(caf::actor_system& system, env_ptr env,
                               std::shared_ptr<memory_disk> disk = std::make_shared<memory_disk>());

} // namespace podium
