// Fills secrets of type kubernetes.io/service-account-token, and takes those away whose account is gone.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"

#include <string>

namespace podium {

/// Nobody asks it anything: it acts on what it sees of the registry.
using account_token_controller_actor = caf::typed_actor<caf::reacts_to<ack>>;

/// Such a secret names its account by annotation kubernetes.io/service-account.name; it is given `token`
/// (bound to the secret, good for 2^32 s), `ca.crt` (`root_certificate`, PEM) and `namespace`, and the
/// account's uid as annotation. Source: kube-controller-manager's tokens controller; its tokens name no end
/// at all.
account_token_controller_actor spawn_account_token_controller(caf::actor_system& system, env_ptr env,
                                                              registry_actor registry,
                                                              token_issuer_actor issuer,
                                                              std::string root_certificate);

} // namespace podium
