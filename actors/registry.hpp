// The registry: the one writer of all objects. It orders writes, has them stored, and then shows them to
// readers.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "messages/registry_view.hpp"

#include <functional>
#include <memory>
#include <string>

namespace podium {

/// What a registry is made of.
struct registry_settings {
  store_actor store;
  /// Where readers look; the registry publishes there and nobody else does.
  std::shared_ptr<registry_view> view = std::make_shared<registry_view>();
  /// Gets a line about each stored row that cannot be read; may be empty.
  std::function<void(const std::string&)> log;
};

/// Spawns the registry. Requests that come before the store is read wait; at the first start the namespaces
/// default, kube-system, kube-public and kube-node-lease are made.
///
/// Promises: resourceVersions are given in the order of the events and never go back, also across restarts; a
/// reader or a reply sees a write after its commit; a commit that fails fails every write in it and
/// everything that was judged on those writes; the next ones go on from what is stored.
registry_actor spawn_registry(caf::actor_system& system, env_ptr env, registry_settings settings);

} // namespace podium
