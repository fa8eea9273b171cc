// The port by which actors have service account tokens signed.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "runtime/http/token_keys.hpp"

namespace podium {

/// Signs tokens of accounts that `view` shows, bound to an object where one is named; its uid is taken as it
/// is given, since who asks knows it before anybody.
token_issuer_actor spawn_token_issuer(caf::actor_system& system, env_ptr env,
                                      std::shared_ptr<const token_keys> keys,
                                      std::shared_ptr<const registry_view> view);

} // namespace podium
