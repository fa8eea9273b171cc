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
  /// Listens to the view for as long as that lives.
  cluster_client(caf::actor_system& system, env_ptr env, registry_actor registry, node_actor node,
                 std::shared_ptr<registry_view> view);

  /// Decodes, defaults and validates as the API does, then creates. See engine::apply.
  caf::expected<std::vector<object_key>> apply(const std::string& path, const std::stop_token& stop);
  /// See engine::remove.
  bool remove(const std::vector<object_key>& keys, nanoseconds limit, const std::stop_token& stop);
  /// Waits until the node has nothing left of pods that are gone from the registry: their containers may end
  /// later than their objects. False as wait().
  bool await_removals(nanoseconds limit, const std::stop_token& stop);
  /// Waits until `done` holds, looking again after each change. False when `limit` passed before, `stop` was
  /// requested or give_up() called.
  bool wait(nanoseconds limit, const std::stop_token& stop,
            const std::function<bool(const registry_view&)>& done);
  /// See engine::on_change.
  void on_change(const std::string& resource, object_listener f);
  /// Nothing is waited for any more.
  void give_up();
  /// Tells the listeners what they have not been told; then none is called any more.
  void stop();

private:
  struct follower {
    std::string resource;
    uint64_t since = 0;
    object_listener call;
  };
  struct shared {
    std::mutex mutex;
    std::condition_variable_any changed;
    uint64_t changes = 0;
    bool over = false; ///< nothing is waited for
    bool stopped = false;
    std::vector<follower> followers;
  };
  /// With the mutex held: hands `f` what was published after what it saw last.
  static void tell(follower& f, const registry_view& view);
  caf::expected<object_key> create(const boost::json::value& object, const std::string& resource,
                                   bool namespaced);

  /// What the API's admission does to a new pod. Error: errc::forbidden without its service account.
  caf::error admit_to_account(boost::json::value& pod, const std::stop_token& stop);

  caf::actor_system& system_;
  env_ptr env_;
  registry_actor registry_;
  node_actor node_;
  std::shared_ptr<registry_view> view_;
  std::shared_ptr<shared> shared_;
};

} // namespace podium
