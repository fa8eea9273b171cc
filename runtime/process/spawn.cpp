#include "runtime/process/spawn.hpp"

#include "core/error.hpp"
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char** environ;

namespace podium {
namespace {

constexpr size_t stack_bytes = 128 * 1024;
/// Where inherited descriptors are parked first, so that moving one cannot overwrite another.
constexpr int parking = 700;

/// All that the child needs, prepared before it exists: it shares our memory and must not allocate.
struct child_plan {
  const char* path = nullptr;
  char** argv = nullptr;
  char** env = nullptr;
  const char* cwd = nullptr;
  std::pair<int, int>* fds = nullptr; // (source, target)
  size_t fd_count = 0;
  int oom_fd = -1;
  char oom_text[12] = {};
  size_t oom_length = 0;
  bool limit_files = false, die_with_parent = false;
  rlimit files{};
  int error = 0; // errno of what failed
};

/// Puts the descriptors where they belong. A source may sit on another's target, hence the way over high
/// numbers.
bool place_fds(child_plan& plan) {
  for (size_t i = 0; i < plan.fd_count; ++i) {
    int parked = ::fcntl(plan.fds[i].first, F_DUPFD_CLOEXEC, parking);
    if (parked < 0) return false;
    plan.fds[i].first = parked;
  }
  for (size_t i = 0; i < plan.fd_count; ++i)
    if (::dup2(plan.fds[i].first, plan.fds[i].second) < 0) return false;
  return true;
}

#if defined(__SANITIZE_ADDRESS__)
__attribute__((no_sanitize("address")))
#endif
int child_main(void* argument) {
  auto& plan = *static_cast<child_plan*>(argument);
  // Handlers are of no use to the new program, and would run here on shared memory.
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int s = 1; s < NSIG; ++s)
    if (s != SIGKILL && s != SIGSTOP) ::sigaction(s, &standard, nullptr);
  ::setsid();
  if (plan.die_with_parent) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (plan.oom_length > 0) {
    int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
      [[maybe_unused]] auto n = ::write(fd, plan.oom_text, plan.oom_length);
      ::close(fd);
    }
  }
  bool ok = (plan.cwd == nullptr || ::chdir(plan.cwd) == 0) && place_fds(plan)
            && (!plan.limit_files || ::setrlimit(RLIMIT_NOFILE, &plan.files) == 0);
  if (ok) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(plan.path, plan.argv, plan.env);
  }
  plan.error = errno;
  ::_exit(127);
}

} // namespace

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* variable = std::getenv("PATH");
  std::string path = variable != nullptr ? variable : "/usr/sbin:/usr/bin:/sbin:/bin";
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = std::min(path.find(':', begin), path.size());
    std::string candidate = path.substr(begin, end - begin) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return {};
}

namespace {

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (auto& s : strings)
    result.push_back(const_cast<char*>(s.c_str()));
  result.push_back(nullptr);
  return result;
}

/// One stack per thread, kept: mapping it anew costs more than the spawn's own work.
char* spawn_stack_top() {
  struct unmap {
    void operator()(char* p) const { ::munmap(p, stack_bytes); }
  };
  thread_local std::unique_ptr<char, unmap> stack;
  if (!stack) {
    void* memory =
        ::mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    stack.reset(static_cast<char*>(memory));
  }
  return stack.get() + stack_bytes;
}

} // namespace

caf::expected<spawned_process> spawn_process(const spawn_request& request) {
  if (request.argv.empty()) return make_error(errc::invalid, "spawn: the command is empty");
  std::string program = find_program(request.argv[0]);
  if (program.empty())
    return make_error(errc::not_found, request.argv[0] + ": executable file not found in $PATH");
  unique_fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  if (!null) return errno_error("/dev/null", errno);
  auto argv = pointers(request.argv);
  auto env = pointers(request.env);
  auto fd_or_null = [&](int fd) { return fd < 0 ? null.get() : fd; };
  std::vector<std::pair<int, int>> fds{{fd_or_null(request.stdin_fd), 0},
                                       {fd_or_null(request.stdout_fd), 1},
                                       {fd_or_null(request.stderr_fd), 2}};
  fds.insert(fds.end(), request.fds.begin(), request.fds.end());
  child_plan plan;
  plan.path = program.c_str();
  plan.argv = argv.data();
  plan.env = env.data();
  plan.cwd = request.cwd.empty() ? nullptr : request.cwd.c_str();
  plan.fds = fds.data();
  plan.fd_count = fds.size();
  plan.die_with_parent = request.die_with_parent;
  if (request.oom_score_adj)
    plan.oom_length = static_cast<size_t>(std::snprintf(plan.oom_text, sizeof plan.oom_text, "%d",
                                                        std::clamp(*request.oom_score_adj, -1000, 1000)));
  if (request.max_files && ::getrlimit(RLIMIT_NOFILE, &plan.files) == 0) {
    plan.limit_files = true;
    plan.files.rlim_max = std::min<rlim_t>(plan.files.rlim_max, *request.max_files);
    plan.files.rlim_cur = plan.files.rlim_max;
  }
  char* stack = spawn_stack_top();
  if (stack == nullptr) return errno_error("spawn: no memory for a stack", ENOMEM);
  // No handler of ours may run in the child while it shares our memory.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  int pid = ::clone(child_main, stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan, &pidfd);
  int clone_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return errno_error("cannot start " + program, clone_error);
  spawned_process result{pid, unique_fd{pidfd}};
  if (plan.error == 0) return {std::move(result)};
  siginfo_t info{};
  ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED);
  if (plan.error == ENOENT) return make_error(errc::not_found, program + ": no such file or directory");
  return errno_error("cannot start " + program, plan.error);
}

std::vector<std::string> current_environment(const std::vector<std::string>& without) {
  std::vector<std::string> result;
  for (char** p = environ; *p != nullptr; ++p) {
    std::string entry = *p;
    auto name = entry.substr(0, entry.find('='));
    if (std::find(without.begin(), without.end(), name) == without.end()) result.push_back(std::move(entry));
  }
  return result;
}

caf::expected<unique_fd> open_pidfd(pid_t pid) {
  int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd >= 0) return unique_fd{fd};
  if (errno == ESRCH) return make_error(errc::not_found, "process " + std::to_string(pid) + " has ended");
  return errno_error("pidfd_open of " + std::to_string(pid), errno);
}

caf::expected<std::pair<unique_fd, unique_fd>> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe", errno);
  return std::pair{unique_fd{ends[0]}, unique_fd{ends[1]}};
}

} // namespace podium
