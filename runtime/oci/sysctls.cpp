#include "runtime/oci/sysctls.hpp"

#include "core/error.hpp"
#include "core/sysctls.hpp"
#include "runtime/process/unique_fd.hpp"
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace podium {
namespace {

caf::error enter(const std::string& path, int kind) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file || ::setns(file.get(), kind) != 0) return errno_error("cannot enter " + path, errno);
  return {};
}

/// What the kernel shows there is of the namespaces of the thread that looks.
caf::error set_one(const unique_fd& root, const std::string& name, const std::string& value) {
  auto path = name;
  for (auto& c : path)
    c = c == '.' ? '/' : c == '/' ? '.' : c;
  open_how how{};
  how.flags = O_WRONLY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  unique_fd file{static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how))};
  if (!file || ::write(file.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
    return errno_error("cannot set sysctl " + name + " to \"" + value + "\"", errno);
  return {};
}

caf::error set_all(const sandbox_paths& paths, const std::vector<sysctl>& list) {
  auto any = [&](sysctl_namespace of) {
    return std::any_of(list.begin(), list.end(), [&](auto& s) { return namespace_of_sysctl(s.name) == of; });
  };
  if (any(sysctl_namespace::net))
    if (auto failed = enter(paths.net_ns, CLONE_NEWNET)) return failed;
  if (any(sysctl_namespace::ipc))
    if (auto failed = enter(paths.ipc_ns, CLONE_NEWIPC)) return failed;
  unique_fd root{::open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!root) return errno_error("cannot open /proc/sys", errno);
  for (auto& s : list)
    if (auto failed = set_one(root, s.name, s.value)) return failed;
  return {};
}

} // namespace

caf::error set_sysctls(const sandbox_paths& paths, const create_sandbox& request) {
  if (request.sysctls.empty()) return {};
  std::vector<sysctl> list;
  for (auto& s : request.sysctls) {
    auto name = normal_sysctl_name(s.name);
    auto of = namespace_of_sysctl(name);
    if (of == sysctl_namespace::none)
      return make_error(errc::invalid, "sysctl " + name + " is not of a pod's namespaces");
    if (of == sysctl_namespace::net ? request.host_network : request.host_ipc)
      return make_error(errc::invalid,
                        "sysctl " + name + " is of a namespace that the pod shares with the host");
    list.push_back({std::move(name), s.value});
  }
  // In a thread of its own, which ends with this: no other one ever changes its namespaces.
  caf::error result;
  std::thread{[&] { result = set_all(paths, list); }}.join();
  return result;
}

} // namespace podium
