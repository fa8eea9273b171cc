// One instance of a container on disk: its directory (bundle, overlay, record) and what is done with it. All
// functions block and belong on the work pool.
#pragma once
#include "messages/runtime.hpp"
#include "runtime/image/image_record.hpp"
#include "runtime/oci/host_facts.hpp"
#include "runtime/oci/sandbox_files.hpp"
#include "runtime/process/unique_fd.hpp"
#include <caf/expected.hpp>
#include <string>
#include <vector>

namespace podium {

/// What an instance remembers across the daemon's life: state.json, replaced at each step.
struct instance_file {
  container_key key;
  std::string id, image, image_id, pod_name, pod_namespace, boot_id;
  container_phase phase = container_phase::created;
  int64_t created_ns = 0, started_ns = 0, finished_ns = 0; ///< since 1970
  int32_t pid = 0, conmon_pid = 0;
  uint64_t pid_start = 0,
           conmon_start = 0; ///< in clock ticks after boot: with the pid they name a process for good
  int32_t exit_code = 0;
  std::string reason, message;
  bool tty = false, stdin_ = false, stdin_once = false;
  int32_t stop_signal = 15;
  std::string termination_policy, log_path;
};
BOOST_DESCRIBE_STRUCT(instance_file, (),
                      (key, id, image, image_id, pod_name, pod_namespace, boot_id, phase, created_ns,
                       started_ns, finished_ns, pid, conmon_pid, pid_start, conmon_start, exit_code, reason,
                       message, tty, stdin_, stdin_once, stop_signal, termination_policy, log_path))

struct instance_paths {
  std::string directory, record, config, rootfs, upper, work, pidfile, termination_log, pid_ns, cgroup;
};
instance_paths paths_of(const oci_settings& settings, const container_key& key, const std::string& id);
/// Where conmon writes the exit code.
std::string exit_directory(const oci_settings& settings);
/// The state directory given to the runtime with --root.
std::string runtime_state_directory(const oci_settings& settings);

/// The container whose process namespace an ephemeral one joins.
struct target_process {
  std::string name;
  pid_t pid = 0;
  unique_fd pidfd; ///< says whether `pid` is still that process
};
/// Mounts the root file system and writes config.json and the record. `target` may be null.
caf::expected<instance_file> prepare_instance(const oci_settings& settings, const host_facts& host,
                                              const create_container& request, const sandbox_file& sandbox,
                                              const image_record& image, const target_process* target);
caf::error save_instance(const oci_settings& settings, const instance_file& instance);
/// Mounts the overlay again where a reboot of nothing but the mount table has lost it; does nothing when it
/// is there.
caf::error mount_rootfs(const std::vector<std::string>& layers, const instance_paths& paths);
/// Deletes what conmon leaves of one run: pid file, sockets, exit code.
void unlink_launch_files(const oci_settings& settings, const instance_file& instance);
/// Unmounts and deletes the root file system and the bundle; the record stays.
void strip_instance(const oci_settings& settings, const instance_file& instance);
/// Deletes the whole directory, and the log when asked to.
void remove_instance(const oci_settings& settings, const instance_file& instance, bool with_log);
/// What the container wrote to its termination log (at most 4096 bytes), or by policy FallbackToLogsOnError
/// the end of its log (2048 bytes, 80 lines).
std::string termination_message(const oci_settings& settings, const instance_file& instance);

/// All that is found below the root. Directories without a readable record are removed, and containers of an
/// earlier boot that were never started: they are made anew when they are wanted.
struct found_instance {
  instance_file file;
  pid_t conmon = 0;      ///< of one that was not known to run
  bool launched = false; ///< a conmon, the runtime's state or an exit code speak of it
  bool stripped = false; ///< strip_instance() has been through
};
struct found_records {
  std::vector<sandbox_file> sandboxes;
  std::vector<found_instance> instances;
};
found_records scan_records(const oci_settings& settings);

} // namespace podium
