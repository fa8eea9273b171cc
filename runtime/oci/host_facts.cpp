#include "runtime/oci/host_facts.hpp"

#include "runtime/oci/cgroup.hpp"
#include "runtime/oci/small_files.hpp"
#include <array>
#include <cstdlib>
#include <filesystem>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace podium {
namespace {

constexpr std::array capability_names{"CHOWN",
                                      "DAC_OVERRIDE",
                                      "DAC_READ_SEARCH",
                                      "FOWNER",
                                      "FSETID",
                                      "KILL",
                                      "SETGID",
                                      "SETUID",
                                      "SETPCAP",
                                      "LINUX_IMMUTABLE",
                                      "NET_BIND_SERVICE",
                                      "NET_BROADCAST",
                                      "NET_ADMIN",
                                      "NET_RAW",
                                      "IPC_LOCK",
                                      "IPC_OWNER",
                                      "SYS_MODULE",
                                      "SYS_RAWIO",
                                      "SYS_CHROOT",
                                      "SYS_PTRACE",
                                      "SYS_PACCT",
                                      "SYS_ADMIN",
                                      "SYS_BOOT",
                                      "SYS_NICE",
                                      "SYS_RESOURCE",
                                      "SYS_TIME",
                                      "SYS_TTY_CONFIG",
                                      "MKNOD",
                                      "LEASE",
                                      "AUDIT_WRITE",
                                      "AUDIT_CONTROL",
                                      "SETFCAP",
                                      "MAC_OVERRIDE",
                                      "MAC_ADMIN",
                                      "SYSLOG",
                                      "WAKE_ALARM",
                                      "BLOCK_SUSPEND",
                                      "AUDIT_READ",
                                      "PERFMON",
                                      "BPF",
                                      "CHECKPOINT_RESTORE"};
constexpr int sys_resource = 24;

std::vector<host_device> devices_of_host() {
  std::vector<host_device> result;
  std::error_code ec;
  namespace fs = std::filesystem;
  auto i = fs::recursive_directory_iterator("/dev", fs::directory_options::skip_permission_denied, ec);
  for (; !ec && i != fs::recursive_directory_iterator{} && result.size() < 4096; i.increment(ec)) {
    auto path = i->path().string();
    // Terminals, shared memory and message queues are the container's own.
    if (path == "/dev/pts" || path == "/dev/shm" || path == "/dev/mqueue") {
      i.disable_recursion_pending();
      continue;
    }
    struct stat facts {};
    if (path == "/dev/console" || ::lstat(path.c_str(), &facts) != 0) continue;
    if (!S_ISCHR(facts.st_mode) && !S_ISBLK(facts.st_mode)) continue;
    result.push_back({path, S_ISCHR(facts.st_mode) ? 'c' : 'b', major(facts.st_rdev), minor(facts.st_rdev),
                      facts.st_mode & 0777u});
  }
  return result;
}

} // namespace

host_facts read_host_facts() {
  host_facts facts;
  facts.oom_score_adj = std::atoi(read_small_file("/proc/self/oom_score_adj", 16).c_str());
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) facts.max_files = files.rlim_max;
  for (size_t i = 0; i < capability_names.size(); ++i)
    if (::prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
      facts.capabilities.push_back(std::string{"CAP_"} + capability_names[i]);
  if (::prctl(PR_CAPBSET_READ, sys_resource, 0, 0, 0) == 1) facts.oom_score_adj = -1000;
  facts.devices = devices_of_host();
  auto cgroups = cgroup_tree::detect();
  facts.cgroup_v2 = cgroups && cgroups->kind() == cgroup_tree::layout::v2;
  return facts;
}

} // namespace podium
