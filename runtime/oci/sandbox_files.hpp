// A pod's sandbox: its record and the files of /etc on the disk, its namespaces and /dev/shm mounted under
// the run directory. There is no process behind it: a namespace lives as long as a file is bound to it.
#pragma once
#include "messages/runtime.hpp"
#include "runtime/oci/cgroup.hpp"
#include "runtime/oci/oci_settings.hpp"
#include <caf/expected.hpp>
#include <string>

namespace podium {

/// What a sandbox remembers across the daemon's life: sandbox.json.
struct sandbox_file {
  std::string id; ///< empty once the sandbox is gone and only its containers' records are left
  std::string pod_uid, pod_name, pod_namespace, hostname, ip, boot_id;
  bool host_network = false, host_ipc = false, host_pid = false, shared_pid = false;
  int64_t created_ns = 0; ///< since 1970
  std::vector<port_mapping> ports;
  int32_t init_pid = 0;    ///< the first process of a shared process namespace; 0: there is none
  uint64_t init_start = 0; ///< its start in clock ticks, as /proc says: tells it from a later one
};
BOOST_DESCRIBE_STRUCT(sandbox_file, (),
                      (id, pod_uid, pod_name, pod_namespace, hostname, ip, boot_id, host_network, host_ipc,
                       host_pid, shared_pid, created_ns, ports, init_pid, init_start))

/// Paths of one pod. What ends with a boot (the pinned namespaces and /dev/shm) lies under the run directory.
struct sandbox_paths {
  std::string directory, hosts, hostname, resolv_conf, record; ///< under the data directory
  std::string mounts, net_ns, ipc_ns, uts_ns, pid_ns, shm;     ///< under the run directory
  std::string cgroup;
};
sandbox_paths paths_of(const oci_settings& settings, const std::string& pod_uid);
/// The pod's log directory, `<namespace>_<name>_<uid>`.
std::string log_directory(const oci_settings& settings, const std::string& ns, const std::string& name,
                          const std::string& uid);
/// True for what may be part of a path: letters, digits, '-', '_', '.', not "." and not "..", at most 253
/// bytes.
bool safe_name(const std::string& text);

/// Makes the directories that a sandbox's files and its network's pin go into. Idempotent.
caf::error make_sandbox_directories(const oci_settings& settings, const std::string& pod_uid);
/// Makes namespaces (not the network's), shm and cgroup, in the directories made before. Blocks for some
/// system calls. Idempotent. The files of /etc come with finish_sandbox(), once the address is known.
caf::error make_sandbox(const oci_settings& settings, const cgroup_tree& cgroups,
                        const create_sandbox& request);
/// Sets the pod's kernel parameters, starts the process that holds a shared process namespace, where the pod
/// asks for one, and writes /etc/hosts, /etc/hostname, /etc/resolv.conf and the record, which it returns.
caf::expected<sandbox_file> finish_sandbox(const oci_settings& settings, const cgroup_tree& cgroups,
                                           const create_sandbox& request, sandbox_file sandbox);
/// Takes namespaces, mounts, cgroup and the files of /etc away; the containers' records and the sandbox's own
/// stay. Best effort and idempotent; returns the first failure.
caf::error release_sandbox(const oci_settings& settings, const cgroup_tree& cgroups,
                           const std::string& pod_uid);
/// Releases the sandbox and writes down that it is gone: a record without an id, which says whose containers
/// these were.
caf::error retire_sandbox(const oci_settings& settings, const cgroup_tree& cgroups, sandbox_file sandbox);
/// Releases a sandbox in which nothing ever ran and deletes what it had, with its logs as below; the pod's
/// volumes, which were there before it, stay.
caf::error discard_sandbox(const oci_settings& settings, const cgroup_tree& cgroups,
                           const std::string& pod_uid, const std::string& log_directory);
/// Releases the sandbox and deletes everything that is left of the pod, with its logs where `log_directory`
/// is not empty. Best effort and idempotent; returns the first failure.
caf::error destroy_sandbox(const oci_settings& settings, const cgroup_tree& cgroups,
                           const std::string& pod_uid, const std::string& log_directory);

/// Whether everything that the record says is still mounted: a daemon with another run directory, or in
/// another mount namespace, finds the record alone.
bool is_whole(const oci_settings& settings, const sandbox_file& sandbox);

/// Pins a new network namespace with `lo` up at `path`: what a pod gets where no network is configured.
caf::error pin_plain_network(const std::string& path);
/// Unmounts and deletes a pinned namespace. Idempotent.
void unpin(const std::string& path);

/// "64 hex digits" from the kernel's random source.
std::string random_id();

} // namespace podium
