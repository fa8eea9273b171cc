#include "runtime/oci/pod_init.hpp"

#include "core/error.hpp"
#include "runtime/process/process_tree.hpp"
#include "runtime/process/spawn.hpp"
#include <cerrno>
#include <climits>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace podium {
namespace {

constexpr auto program_name = "podium-pod-init";
constexpr int ready_limit_ms = 10'000;

/// The first process of a pinned process namespace, 0 when it has none any more: a pin outlives the
/// namespace's life.
pid_t find_alive(const cgroup_tree& cgroups, const std::string& cgroup, const std::string& pin) {
  unique_fd file{::open(pin.c_str(), O_RDONLY | O_CLOEXEC)};
  auto processes = cgroups.processes(cgroup);
  return file && !processes.empty() ? processes.front() : 0;
}

/// The child says by one byte that it has left everything of the host behind.
caf::error wait_until_ready(const unique_fd& pipe) {
  pollfd ready{pipe.get(), POLLIN, 0};
  char byte = 0;
  if (::poll(&ready, 1, ready_limit_ms) == 1 && ::read(pipe.get(), &byte, 1) == 1) return {};
  return make_error(errc::io, std::string{program_name}.append(" did not start"));
}

caf::error start_in_new_namespace(const spawn_request& request, pid_t& pid) {
  caf::error result;
  // Only the children of the thread that asks are in the new namespace; the thread ends with this.
  std::thread{[&] {
    if (::unshare(CLONE_NEWPID) != 0) {
      result = errno_error("cannot make a process namespace", errno);
      return;
    }
    auto started = spawn_process(request);
    if (started)
      pid = started->pid;
    else
      result = std::move(started.error());
  }}.join();
  return result;
}

} // namespace

std::string find_helper(const std::string& name) {
  char self[PATH_MAX] = {};
  if (::readlink("/proc/self/exe", self, sizeof self - 1) > 0) {
    auto beside = std::filesystem::path{self}.parent_path() / name;
    if (::access(beside.c_str(), X_OK) == 0) return beside;
  }
  // A program that embeds podium lies elsewhere than podium's own.
  return find_program(name);
}

caf::expected<pid_t> start_pod_init(const oci_settings& settings, const cgroup_tree& cgroups,
                                    const create_sandbox& request) {
  auto p = paths_of(settings, request.pod_uid);
  auto cgroup = p.cgroup + "/init"; // where cgroup v2 is, processes live in leaves only
  if (auto there = find_alive(cgroups, cgroup, p.pid_ns); there > 0) return there;
  unpin(p.pid_ns);
  auto program = settings.pod_init.empty() ? find_helper(program_name) : settings.pod_init;
  if (program.empty())
    return make_error(errc::not_found,
                      "shareProcessNamespace needs podium-pod-init, and that is neither beside this program "
                      "nor in its PATH");
  if (auto failed = cgroups.create(cgroup, {})) return failed;
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return errno_error("socketpair", errno);
  // It ends when this is let go of before it is told that it may stay.
  unique_fd leash{ends[0]}, its_end{ends[1]};
  spawn_request start;
  start.argv = {program};
  if (!request.host_network) start.argv.insert(start.argv.end(), {p.net_ns, p.uts_ns});
  if (!request.host_ipc) start.argv.push_back(p.ipc_ns);
  start.stdin_fd = its_end.get();
  start.stdout_fd = pipe->second.get();
  pid_t pid = 0;
  if (auto failed = start_in_new_namespace(start, pid)) return failed;
  pipe->second = {};
  its_end = {};
  auto failed = wait_until_ready(pipe->first);
  if (!failed) failed = cgroups.attach(cgroup, pid);
  if (!failed) {
    unique_fd file{::open(p.pid_ns.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0444)};
    auto source = "/proc/" + std::to_string(pid) + "/ns/pid";
    if (!file || ::mount(source.c_str(), p.pid_ns.c_str(), nullptr, MS_BIND, nullptr) != 0)
      failed = errno_error("cannot pin a namespace at " + p.pid_ns, errno);
  }
  if (!failed && ::send(leash.get(), "1", 1, MSG_NOSIGNAL) != 1)
    failed = errno_error(std::string{program_name}.append(" has ended"), errno);
  if (!failed) return pid;
  kill_tree(pid);
  return failed;
}

} // namespace podium
