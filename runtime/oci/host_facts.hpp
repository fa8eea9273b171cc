// What of the host shapes a container's specification: what the kernel would refuse is clamped beforehand.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace podium {

struct host_device {
  std::string path;
  char type = 'c'; ///< 'c' or 'b'
  unsigned major = 0, minor = 0, mode = 0600;
};

struct host_facts {
  int32_t oom_score_adj = 0;      ///< the lowest that this process may give: its own, unless it may lower it
  uint64_t max_files = 1'048'576; ///< RLIMIT_NOFILE's hard limit
  std::vector<std::string> capabilities; ///< the bounding set, "CAP_CHOWN", ...
  std::vector<host_device> devices;      ///< all of /dev, for privileged containers
  bool cgroup_v2 = false;                ///< containers get a cgroup namespace
  bool slave_mounts = false;             ///< they are made where mounts do not come back to the host
};

/// Asks the kernel. Blocks for a few system calls.
host_facts read_host_facts();

} // namespace podium
