// The store port on SQLite: one thread owns the file; what waits when it looks is one transaction.
#pragma once
#include "core/actor_env.hpp"
#include "core/error.hpp"
#include "messages/interfaces.hpp"

#include <string>

namespace podium {

class sqlite_file;

/// Opens the store `file` (made with mode 0600 when it is not there) and spawns its actor. The file is closed
/// when the actor has ended and its thread is done with what was accepted. Errors: see sqlite_file::open.
caf::expected<store_actor> spawn_sqlite_store(caf::actor_system& system, env_ptr env,
                                              const std::string& file);

/// The same over a file that is already open.
store_actor spawn_sqlite_store(caf::actor_system& system, env_ptr env, std::unique_ptr<sqlite_file> file);

} // namespace podium
