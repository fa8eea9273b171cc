// podium as a library: one node, scheduler and API server in this process. The daemon is this and a main().
#pragma once
#include "config/settings.hpp"
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "messages/registry_view.hpp"

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace podium {

/// What the embedding program may follow: every change of every object, typed, in order.
using object_listener = std::function<void(const watch_event&)>;

/// For experiments: what sees or disturbs the messages of all actors of an engine. Both are called on many
/// threads at once.
struct engine_hooks {
  std::shared_ptr<trace_sink> trace;
  std::shared_ptr<const fault_filter> faults;
};

class engine {
public:
  /// Starts everything; returns when the API answers and the node is registered. Containers of an earlier
  /// engine with the same data directory are adopted. Errors: errc::conflict (another daemon has the
  /// directory), errc::bad_request (a setting), errc::unavailable, errc::io; errc::cancelled when `stop` is
  /// requested: the step under way (each takes a moment) is finished, then all is taken down again.
  static caf::expected<std::unique_ptr<engine>> start(config::settings settings, std::stop_token stop = {},
                                                      engine_hooks hooks = {});
  /// Stops; containers keep running for the next start to adopt.
  ~engine();
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;

  const std::string& api_url() const;
  const std::string& kubeconfig_path() const;
  const registry_actor& registry() const;
  const registry_view& view() const;
  caf::actor_system& system();
  wall_time wall_now() const;

  /// Calls `f` once when something that all else stands on (an actor such as the registry or the store) has
  /// ended by itself; at once when it has already. The engine is of no use then and waits no longer for
  /// anything: destroy it, and start another one, which adopts the containers. `f` runs on a thread of
  /// podium's: it must be short, must not throw and must not call or destroy the engine; it is not called any
  /// more once the engine's end has begun. Without a listener the failure is in the log and in failure()
  /// only.
  void on_failure(std::function<void(const caf::error&)> f);
  /// What on_failure tells; none while all is well.
  caf::error failure() const;

  /// Calls `f` for each change of `resource` from now on, on a thread of podium's: keep it short.
  void on_change(const std::string& resource, object_listener f);
  /// Creates the objects of a manifest file. Returns their keys; on an error nothing of the file is left
  /// behind. Error errc::cancelled: `stop` was requested; what was made is being deleted, and not waited for.
  caf::expected<std::vector<object_key>> apply(const std::string& manifest_path, std::stop_token stop = {});
  /// Deletes the objects and waits until they are gone, and with them whatever runs or is kept of a pod that
  /// was deleted, now or before. False when `limit` passed before, `stop` was
  /// requested or the engine has failed.
  bool remove(const std::vector<object_key>& keys, nanoseconds limit, std::stop_token stop = {});
  /// Deletes all pods, waits for them, and takes the pod network down. False as remove().
  bool remove_all_pods(nanoseconds limit, std::stop_token stop = {});
  /// Takes the pod network down when no pod is left that could need it.
  void remove_unused_network();

private:
  struct impl;
  explicit engine(std::unique_ptr<impl> parts);
  std::unique_ptr<impl> impl_;
};

} // namespace podium
