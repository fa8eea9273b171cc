// Sandboxes and containers of one node, run by crun (or runc) below conmon. Fenced by (pod uid, container,
// attempt); adopts what an earlier daemon left running.
#pragma once
#include "messages/object.hpp"
#include "messages/runtime.hpp"
#include "runtime/image/image_record.hpp"
#include "runtime/oci/oci_settings.hpp"
#include "runtime/process/launcher.hpp"
#include <functional>
#include <memory>
#include <set>

namespace podium {

class directory_watch;

/// Finds an unpacked image by its id. Loop thread.
using find_image = std::function<caf::expected<image_ptr>(const std::string& image_id)>;

/// Makes and removes pod networks. Both are called on the loop thread and answer there, at once or later.
struct pod_network_port {
  /// Makes a network namespace with an address and pins it at `ns_path`. Idempotent; answers the address.
  std::function<void(const create_sandbox& request, const std::string& ns_path,
                     std::function<void(caf::expected<std::string>)> done)>
      add;
  /// Releases the address and what the host holds of the pod. The pinned namespace is unmounted by the
  /// caller.
  std::function<void(const std::string& pod_uid, const std::string& ns_path,
                     std::function<void(caf::error)> done)>
      remove;
  /// Whether what an earlier daemon made for a pod is still whole; empty: it always is.
  std::function<bool(const std::string& pod_uid)> whole{};
};
/// A network of `lo` alone.
pod_network_port loopback_network(work_pool& pool);

/// What streams into and out of a container need to know of it.
struct running_container {
  container_key key;
  std::string id, directory, log_path, cgroup;
  container_phase phase = container_phase::created;
  bool tty = false, stdin_ = false, stdin_once = false;
};

/// All calls and answers on the loop thread. Construct and destroy off it, before pool, launcher and loop.
class oci_runtime {
public:
  template <class T>
  using answer = std::function<void(caf::expected<T>)>;

  oci_runtime(event_loop& loop, work_pool& pool, launcher& children, oci_settings settings, find_image images,
              pod_network_port network);
  ~oci_runtime();
  oci_runtime(const oci_runtime&) = delete;
  oci_runtime& operator=(const oci_runtime&) = delete;

  /// Chooses the runtime program, reads the records and takes over what runs. First of all calls.
  /// Errors: errc::unavailable (no crun or runc, no conmon, no cgroups), errc::io.
  void start(std::function<void(caf::error)> done);

  void ask(const create_sandbox& request, answer<sandbox_info> done);
  void ask(const wait_sandbox& request, answer<sandbox_end> done);
  void ask(const remove_sandbox& request, answer<ack> done);
  void ask(const create_container& request, answer<container_created> done);
  void ask(const start_container& request, answer<container_started> done);
  void ask(const wait_container& request, answer<container_exit> done);
  void ask(const signal_container& request, answer<ack> done);
  void ask(const remove_container& request, answer<ack> done);
  void ask(const exec_sync& request, answer<exec_result> done);
  void ask(const list_runtime& request, answer<runtime_records> done);
  /// The ids of the images that containers have, ended ones too while there is a record of them.
  std::set<std::string> images_in_use() const;

  /// The instance of a container with this id (podium://...), "" is the newest. Error: errc::not_found.
  caf::expected<running_container> find(const std::string& pod_uid, const std::string& name,
                                        const std::string& container_id = {}) const;
  /// Calls `ended` once the instance is not running any more (from the loop when it is not already). Returns
  /// an id for forget_end(), 0 when the call is on its way.
  uint64_t when_ended(const container_key& key, std::function<void()> ended);
  /// Drops a when_ended() that has not been called; any other id changes nothing.
  void forget_end(const container_key& key, uint64_t id);
  /// How many when_ended() wait for an instance.
  size_t awaiting_end(const container_key& key) const;

  /// Where the pod's network namespace is pinned; empty for a pod on the host's network. Error
  /// errc::not_found: it has no sandbox now.
  caf::expected<std::string> network_namespace(const std::string& pod_uid) const;
  /// Calls `ended` when the pod's sandbox is about to be removed (from the loop when it has none). Returns an
  /// id for forget_sandbox_end(), 0 when the call is on its way.
  uint64_t when_sandbox_ends(const std::string& pod_uid, std::function<void()> ended);
  /// Drops a when_sandbox_ends() that has not been called; any other id changes nothing.
  void forget_sandbox_end(const std::string& pod_uid, uint64_t id);

  const oci_settings& settings() const;
  const oci_runtime_program& program() const;
  launcher& children();
  /// Shared by all who follow files. Loop thread only; until the runtime is destroyed.
  directory_watch& directories();
  event_loop& loop();
  work_pool& pool();
  /// The processes in a container's cgroup.
  std::vector<pid_t> processes(const std::string& cgroup) const;

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace podium
