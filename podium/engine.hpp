// podium as a library: one node, scheduler and API server in this process. The daemon is this and a main().
#pragma once
#include "config/settings.hpp"
#include "messages/interfaces.hpp"
#include "messages/registry_view.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace podium {

/// What the embedding program may follow: every change of every object, typed, in order.
using object_listener = std::function<void(const watch_event&)>;

class engine {
public:
  /// Starts everything; returns when the API answers and the node is registered. Containers of an earlier
  /// engine with the same data directory are adopted. Errors: errc::conflict (another daemon has the
  /// directory), errc::unavailable, errc::io.
  static caf::expected<std::unique_ptr<engine>> start(config::settings settings);
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

  /// Calls `f` for each change of `resource` from now on, on a thread of podium's: keep it short.
  void on_change(const std::string& resource, object_listener f);
  /// Creates the objects of a manifest file. Returns their keys; on an error nothing of the file is left
  /// behind.
  caf::expected<std::vector<object_key>> apply(const std::string& manifest_path);
  /// Deletes the objects and waits until they are gone. False when `limit` passed before.
  bool remove(const std::vector<object_key>& keys, nanoseconds limit);
  /// Deletes all pods, waits for them, and takes the pod network down. False when `limit` passed before.
  bool remove_all_pods(nanoseconds limit);

private:
  struct impl;
  explicit engine(std::unique_ptr<impl> parts);
  std::unique_ptr<impl> impl_;
};

} // namespace podium
