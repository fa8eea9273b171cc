// Where the container runtime keeps its things and which programs it drives.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace podium {

struct oci_settings {
  std::string root = "/var/lib/podium"; ///< pods/<uid>/…: directories, records, writable layers
  std::string run_root =
      "/run/podium"; ///< what need not survive a boot: namespaces, exit files, the runtime's state
  std::string log_root = "/var/log/pods"; ///< <namespace>_<pod>_<uid>/<container>/<attempt>.log
  std::string cgroup_root = "/podium";    ///< parent of all pods' cgroups
  std::string conmon = "/usr/bin/conmon";
  std::string crun = "/usr/bin/crun";
  std::string runc = "/usr/sbin/runc"; ///< taken where crun is missing
  /// podium-hybrid-cgroup, needed for crun on a hybrid hierarchy; empty: looked for beside this program, then
  /// in its PATH.
  std::string hybrid_helper;
  /// podium-pod-init, needed for shareProcessNamespace; empty: looked for likewise, when it is needed.
  std::string pod_init;
  /// The profile of seccompProfile RuntimeDefault; those of type Localhost lie in <root>/seccomp.
  std::string seccomp_default = "/usr/share/containers/seccomp.json";
  int64_t log_max_bytes = 10 << 20; ///< a log is rotated beyond this size
  int log_max_files = 5;
  /// Starts under way at the same time; 0: four times the cores. More of them only wait for each other's cpu
  /// and kernel locks, and keep the loop waiting, whose children must get a cpu before it goes on.
  unsigned parallel_starts = 0;
  /// After this long a start gives up its turn: one that hangs keeps nobody else waiting.
  std::chrono::nanoseconds start_turn{std::chrono::seconds{3}};
  std::chrono::nanoseconds start_timeout{std::chrono::minutes{2}}; ///< for the runtime's create and start
};

/// The runtime chosen for this host.
struct oci_runtime_program {
  std::string path;        ///< crun or runc, for start, exec, delete
  std::string create_path; ///< what conmon calls for create: the helper on hybrid hosts
  std::string name;        ///< "crun" or "runc"
};

} // namespace podium
