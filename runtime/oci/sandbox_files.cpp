#include "runtime/oci/sandbox_files.hpp"

#include "core/error.hpp"
#include "runtime/oci/pod_files.hpp"
#include "runtime/oci/pod_init.hpp"
#include "runtime/oci/small_files.hpp"
#include "runtime/oci/sysctls.hpp"
#include "runtime/process/process_tree.hpp"
#include "runtime/process/unique_fd.hpp"
#include "runtime/volume/mount_points.hpp"
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <thread>

namespace podium {

namespace fs = std::filesystem;

namespace {

constexpr long nsfs_magic = 0x6e736673;

bool exists(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0;
}

bool is_pinned(const std::string& path) {
  struct statfs facts {};
  return ::statfs(path.c_str(), &facts) == 0 && facts.f_type == nsfs_magic;
}

/// Runs `enter` in a thread of its own, which leaves namespaces behind for `bind` to pin and then ends: no
/// thread of the daemon ever changes its own namespaces.
caf::error in_new_namespaces(int flags, const std::function<int()>& enter,
                             const std::vector<std::pair<std::string, std::string>>& binds) {
  caf::error result;
  std::thread{[&] {
    if (::unshare(flags) != 0) {
      result = errno_error("cannot make namespaces", errno);
      return;
    }
    if (int failed = enter(); failed != 0) {
      result = errno_error("cannot set up the pod's namespaces", failed);
      return;
    }
    for (auto& [source, target] : binds) {
      unique_fd file{::open(target.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0444)};
      if (!file || ::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
        result = errno_error("cannot pin a namespace at " + target, errno);
        return;
      }
    }
  }}.join();
  return result;
}

int raise_loopback() {
  unique_fd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!socket) return errno;
  ifreq request{};
  std::copy_n("lo", 3, request.ifr_name);
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return errno;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return ::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0 ? errno : 0;
}

caf::error make_directory(const std::string& path, mode_t mode) {
  std::error_code ec;
  fs::create_directories(path, ec);
  if (ec) return errno_error("cannot make " + path, ec.value());
  ::chmod(path.c_str(), mode);
  return {};
}

} // namespace

sandbox_paths paths_of(const oci_settings& settings, const std::string& pod_uid) {
  sandbox_paths p;
  p.directory = settings.root + "/pods/" + pod_uid;
  p.mounts = settings.run_root + "/sandboxes/" + pod_uid;
  p.net_ns = p.mounts + "/net";
  p.ipc_ns = p.mounts + "/ipc";
  p.uts_ns = p.mounts + "/uts";
  p.pid_ns = p.mounts + "/pid";
  p.shm = p.mounts + "/shm";
  p.hosts = p.directory + "/hosts";
  p.hostname = p.directory + "/hostname";
  p.resolv_conf = p.directory + "/resolv.conf";
  p.record = p.directory + "/sandbox.json";
  p.cgroup = settings.cgroup_root + "/pod" + pod_uid;
  return p;
}

std::string log_directory(const oci_settings& settings, const std::string& ns, const std::string& name,
                          const std::string& uid) {
  return settings.log_root + "/" + ns + "_" + name + "_" + uid;
}

bool safe_name(const std::string& text) {
  if (text.empty() || text.size() > 253 || text == "." || text == "..") return false;
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'
           || c == '.';
  });
}

caf::error make_sandbox_directories(const oci_settings& settings, const std::string& pod_uid) {
  auto p = paths_of(settings, pod_uid);
  if (auto failed = make_directory(p.directory, 0711)) return failed;
  if (auto failed = make_directory(p.mounts, 0700)) return failed;
  return make_directory(p.directory + "/containers", 0711);
}

caf::error make_sandbox(const oci_settings& settings, const cgroup_tree& cgroups,
                        const create_sandbox& request) {
  auto p = paths_of(settings, request.pod_uid);
  int flags = 0;
  std::vector<std::pair<std::string, std::string>> binds;
  if (!request.host_ipc && !is_pinned(p.ipc_ns)) {
    flags |= CLONE_NEWIPC;
    binds.emplace_back("/proc/thread-self/ns/ipc", p.ipc_ns);
  }
  // A pod on the host's network also has the host's name.
  if (!request.host_network && !is_pinned(p.uts_ns)) {
    flags |= CLONE_NEWUTS;
    binds.emplace_back("/proc/thread-self/ns/uts", p.uts_ns);
  }
  auto enter = [&] {
    if ((flags & CLONE_NEWUTS) == 0) return 0;
    auto name = request.hostname.substr(0, 63);
    return ::sethostname(name.data(), name.size()) != 0 ? errno : 0;
  };
  if (flags != 0)
    if (auto failed = in_new_namespaces(flags, enter, binds)) return failed;
  if (!request.host_ipc && !is_mount_point(p.shm)) {
    if (auto failed = make_directory(p.shm, 0755)) return failed;
    if (::mount("shm", p.shm.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=65536k")
        != 0)
      return errno_error("cannot mount " + p.shm, errno);
  }
  return cgroups.create(p.cgroup, {request.cpu_shares, request.cpu_quota_us, request.memory_limit_bytes});
}

caf::expected<sandbox_file> finish_sandbox(const oci_settings& settings, const cgroup_tree& cgroups,
                                           const create_sandbox& request, sandbox_file sandbox) {
  auto p = paths_of(settings, sandbox.pod_uid);
  if (auto failed = set_sysctls(p, request)) return failed;
  if (request.share_process_namespace) {
    auto init = start_pod_init(settings, cgroups, request);
    if (!init) return init.error();
    sandbox.init_pid = *init;
    sandbox.init_start = facts_of(*init).start_ticks;
  }
  if (auto failed = replace_file(p.hosts, hosts_text(request, sandbox.ip, read_small_file("/etc/hosts"))))
    return failed;
  if (auto failed = replace_file(p.hostname, sandbox.hostname + "\n")) return failed;
  if (auto failed =
          replace_file(p.resolv_conf, resolv_conf_text(request.dns, read_small_file("/etc/resolv.conf"))))
    return failed;
  if (auto failed = replace_file(p.record, boost::json::serialize(to_json(sandbox)), 0600)) return failed;
  return sandbox;
}

caf::error release_sandbox(const oci_settings& settings, const cgroup_tree& cgroups,
                           const std::string& pod_uid) {
  auto p = paths_of(settings, pod_uid);
  unpin(p.net_ns);
  unpin(p.ipc_ns);
  unpin(p.uts_ns);
  unpin(p.pid_ns);
  while (::umount2(p.shm.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  for (auto* path : {&p.mounts, &p.hosts, &p.hostname, &p.resolv_conf})
    remove_tree(*path);
  return cgroups.remove(p.cgroup);
}

caf::error retire_sandbox(const oci_settings& settings, const cgroup_tree& cgroups, sandbox_file sandbox) {
  // The record is written last: a daemon that ends before finds a sandbox, and removes it once more.
  if (auto failed = release_sandbox(settings, cgroups, sandbox.pod_uid)) return failed;
  sandbox.id.clear();
  sandbox.ip.clear();
  sandbox.ports.clear();
  return replace_file(paths_of(settings, sandbox.pod_uid).record, boost::json::serialize(to_json(sandbox)),
                      0600);
}

caf::error discard_sandbox(const oci_settings& settings, const cgroup_tree& cgroups,
                           const std::string& pod_uid, const std::string& log_directory) {
  auto p = paths_of(settings, pod_uid);
  caf::error result = release_sandbox(settings, cgroups, pod_uid);
  if (!log_directory.empty()) remove_tree(log_directory);
  remove_tree(p.directory + "/containers");
  ::unlink(p.record.c_str());
  // It stays where volumes are: they are nobody's without it.
  if (!exists(settings.run_root + "/volumes/" + pod_uid)) ::rmdir(p.directory.c_str());
  return result;
}

caf::error destroy_sandbox(const oci_settings& settings, const cgroup_tree& cgroups,
                           const std::string& pod_uid, const std::string& log_directory) {
  auto p = paths_of(settings, pod_uid);
  caf::error result = release_sandbox(settings, cgroups, pod_uid);
  // Usually gone already: whoever made the volumes removes them. Not those of a pod that nobody knows.
  remove_with_mounts(p.directory + "/volumes");
  remove_with_mounts(settings.run_root + "/volumes/" + pod_uid);
  // The directory goes last: it says, also to a daemon that comes after this one, whose logs and mounts these
  // are.
  if (!log_directory.empty()) remove_tree(log_directory);
  if (!exists(p.mounts)) remove_with_mounts(p.directory);
  for (auto* path : {&p.mounts, &p.directory})
    if (!result && exists(*path)) result = make_error(errc::io, *path + " could not be removed");
  return result;
}

bool is_whole(const oci_settings& settings, const sandbox_file& sandbox) {
  auto p = paths_of(settings, sandbox.pod_uid);
  bool ipc = sandbox.host_ipc || (is_pinned(p.ipc_ns) && is_mount_point(p.shm));
  bool network = sandbox.host_network || (is_pinned(p.uts_ns) && is_pinned(p.net_ns));
  return ipc && network && (!sandbox.shared_pid || is_pinned(p.pid_ns));
}

caf::error pin_plain_network(const std::string& path) {
  if (is_pinned(path)) return {};
  return in_new_namespaces(CLONE_NEWNET, raise_loopback, {{"/proc/thread-self/ns/net", path}});
}

void unpin(const std::string& path) {
  while (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  ::unlink(path.c_str());
}

std::string random_id() {
  unsigned char bytes[32];
  size_t got = 0;
  while (got < sizeof bytes) {
    auto n = ::getrandom(bytes + got, sizeof bytes - got, 0);
    if (n > 0) got += static_cast<size_t>(n);
  }
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (auto b : bytes) {
    text += digits[b >> 4];
    text += digits[b & 15];
  }
  return text;
}

} // namespace podium
