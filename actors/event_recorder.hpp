// Events of a whole process on their way to the registry: counted, combined, limited, and gone after an hour.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"

#include <atomic>
#include <memory>

namespace podium {

/// What did not get through: for metrics. Safe from any thread.
struct event_recorder_counts {
  std::atomic<uint64_t> written{0};   ///< creates and updates that the registry took
  std::atomic<uint64_t> held_back{0}; ///< over their source's rate
  std::atomic<uint64_t> dropped{0};   ///< the registry was too slow, or refused them
};

struct event_recorder_settings {
  registry_actor registry;
  nanoseconds time_to_live = std::chrono::hours{1};
  size_t max_count =
      20'000; ///< more are deleted within seconds, those not added to for the longest time first
  std::shared_ptr<event_recorder_counts> counts = std::make_shared<event_recorder_counts>();
};

/// Spawns the recorder; `path` tells recorders of one cluster apart. It also deletes every event of the
/// cluster, whoever wrote it, that nothing was added to for `time_to_live`,
/// and what is over `max_count`.
event_recorder_actor spawn_event_recorder(caf::actor_system& system, env_ptr env, std::string path,
                                          event_recorder_settings settings);

} // namespace podium
