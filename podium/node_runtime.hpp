// The real outside world of one node: processes, containers, images, network and probes, as the typed actors
// ask for them.
#pragma once
#include "actors/node_context.hpp"
#include "config/settings.hpp"
#include "runtime/loop/event_loop.hpp"

#include <memory>
#include <stop_token>

namespace podium {

class container_streams;
class oci_runtime;

class node_runtime {
public:
  /// Starts everything and waits for it. Errors: errc::unavailable (no runtime, no rights), errc::io,
  /// errc::conflict; errc::cancelled when `stop` is requested, between two steps.
  static caf::expected<std::unique_ptr<node_runtime>> start(caf::actor_system& system, env_ptr env,
                                                            event_loop& loop,
                                                            const config::settings& settings,
                                                            const std::stop_token& stop);
  /// The actors must have ended before; the loop must still run.
  ~node_runtime();

  const container_runtime_actor& containers() const;
  const image_service_actor& images() const;
  const probe_executor_actor& prober() const;
  const volume_manager_actor& volumes() const;
  /// Loop thread only.
  container_streams& streams();
  /// Loop thread only.
  oci_runtime& oci();
  /// Takes bridge, rules and the daemon's own cgroup down; for when no pod is left.
  void remove_traces(const config::settings& settings);
  /// Ends the port actors.
  void stop_actors();

private:
  struct impl;
  explicit node_runtime(std::unique_ptr<impl> parts);
  std::unique_ptr<impl> impl_;
};

} // namespace podium
