// The embedding program's way to the registry: plain calls from any thread but the actors'.
#pragma once
#include "core/actor_env.hpp"
#include "core/error.hpp"
#include "messages/interfaces.hpp"
#include "messages/registry_view.hpp"
#include "podium/engine.hpp"

#include <condition_variable>
#include <mutex>

namespace podium {

class cluster_client {
public:
  /// Make it before the registry publishes: it listens to the view for as long as that lives.
  cluster_client(caf::actor_system& system, env_ptr env, registry_actor registry,
                 std::shared_ptr<registry_view> view);

  /// Decodes, defaults and validates as the API does, then creates. See engine::apply.
  caf::expected<std::vector<object_key>> apply(const std::string& path);
  /// See engine::remove.
  bool remove(const std::vector<object_key>& keys, nanoseconds limit);
  /// Waits until `done` holds, looking again after each change of `resource` ("" is any).
  bool wait(const std::string& resource, nanoseconds limit,
            const std::function<bool(const registry_view&)>& done);
  /// See engine::on_change.
  void on_change(const std::string& resource, object_listener f);
  /// No listener is called any more.
  void stop();

private:
  struct follower {
    std::string resource;
    uint64_t since = 0;
    object_listener call;
  };
  struct shared {
    std::mutex mutex;
    std::condition_variable changed;
    uint64_t changes = 0;
    bool stopped = false;
    std::vector<follower> followers;
  };
  caf::expected<object_key> create(const boost::json::value& object, const std::string& resource,
                                   bool namespaced);

  caf::actor_system& system_;
  registry_actor registry_;
  std::shared_ptr<registry_view> view_;
  std::shared_ptr<shared> shared_;
};

} // namespace podium
