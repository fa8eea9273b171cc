#include "runtime/process/launcher.hpp"
#include "runtime/process/process_tree.hpp"
#include "runtime/process/spawn.hpp"
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <csignal>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace podium;

namespace {

/// podium-pod-init as the first process of a process namespace, in none but its own other ones.
struct first_process {
  unique_fd leash, pidfd;
  pid_t pid = 0;

  first_process() {
    int ends[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    leash.reset(ends[0]);
    unique_fd its_end{ends[1]};
    auto ready = make_pipe();
    BOOST_REQUIRE(ready);
    spawn_request start;
    start.argv = {std::string{PODIUM_BINARY_DIR} + "/podium-pod-init"};
    start.stdin_fd = its_end.get();
    start.stdout_fd = ready->second.get();
    caf::expected<spawned_process> started{caf::error{}};
    // Its children alone are in the new namespace.
    std::thread{[&] {
      if (::unshare(CLONE_NEWPID) == 0) started = spawn_process(start);
    }}.join();
    BOOST_REQUIRE(started);
    pid = started->pid;
    pidfd = std::move(started->pidfd);
    its_end = {};
    ready->second = {};
    char byte = 0;
    BOOST_REQUIRE(::read(ready->first.get(), &byte, 1) == 1);
  }
  ~first_process() {
    if (pid == 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  /// A SIGTERM that says it came from nowhere, sent by one of its own namespace. Returns 0, or an errno.
  int signalled_from_inside() const {
    int status = -1;
    std::thread{[&] {
      if (::setns(pidfd.get(), CLONE_NEWPID) != 0) return;
      auto child = ::fork();
      if (child == 0) {
        siginfo_t forged{};
        forged.si_signo = SIGTERM;
        forged.si_code = SI_QUEUE;
        ::_exit(::syscall(SYS_rt_sigqueueinfo, 1, SIGTERM, &forged) == 0 ? 0 : errno);
      }
      ::waitpid(child, &status, 0);
    }}.join();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  bool ends_within(int milliseconds) const {
    pollfd end{pidfd.get(), POLLIN, 0};
    int n = 0;
    do {
      n = ::poll(&end, 1, milliseconds);
    } while (n < 0 && errno == EINTR);
    return n == 1;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(pod_init_suite)

/// A daemon that is killed between its start and what is written down of it leaves it to nobody.
BOOST_AUTO_TEST_CASE(it_ends_with_who_started_it_until_it_is_told_that_it_may_stay) {
  first_process untold;
  BOOST_TEST(!untold.ends_within(50));
  untold.leash.reset();
  BOOST_TEST(untold.ends_within(20'000));

  first_process told;
  BOOST_REQUIRE(::send(told.leash.get(), "1", 1, MSG_NOSIGNAL) == 1);
  told.leash.reset();
  BOOST_TEST(!told.ends_within(50));
  // Root inside the namespace may send any signal to it, and forge who sent it.
  BOOST_TEST(told.signalled_from_inside() == 0);
  BOOST_TEST(!told.ends_within(200));
  ::kill(told.pid, SIGTERM);
  BOOST_TEST(told.ends_within(20'000));
}

BOOST_AUTO_TEST_SUITE_END()
