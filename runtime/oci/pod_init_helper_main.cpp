// podium-pod-init [NAMESPACE...]: the first process of a pod's process namespace. It enters the namespaces
// that are given as files, leaves the host's file system and every privilege behind (what shares its
// namespace can look into it), says on its standard output that it is ready, reads on its standard input that
// it may stay (who started it may die before it has written down that it did), and then only reaps. SIGTERM
// from outside of the namespace ends it, and with it all that runs in there.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

int fail(const char* what) {
  std::fprintf(stderr, "podium-pod-init: %s: %s\n", what, std::strerror(errno));
  return 125;
}

/// An empty, read-only root of its own.
bool leave_file_system() {
  if (::unshare(CLONE_NEWNS) != 0) return false;
  if (::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  if (::mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0555") != 0)
    return false;
  if (::chdir("/proc") != 0) return false;
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return false;
  if (::umount2(".", MNT_DETACH) != 0) return false;
  return ::chdir("/") == 0
         && ::mount("", "/", nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr)
                == 0;
}

bool drop_privileges() {
  for (int cap = 0; ::prctl(PR_CAPBSET_READ, cap) >= 0; ++cap)
    ::prctl(PR_CAPBSET_DROP, cap);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2]{};
  return ::syscall(SYS_capset, &header, none) == 0;
}

} // namespace

int main(int argc, char** argv) {
  char* name = argv[0]; // "podium-pod-init" at least: longer than what is put there
  for (int i = 1; i < argc; ++i) {
    int ns = ::open(argv[i], O_RDONLY | O_CLOEXEC);
    if (ns < 0 || ::setns(ns, 0) != 0) return fail(argv[i]);
    ::close(ns);
  }
  if (!leave_file_system()) return fail("cannot leave the file system");
  if (!drop_privileges()) return fail("cannot drop privileges");
  // What shares the namespace sees this process's command line: it is to show no path of the host.
  for (int i = argc - 1; i >= 0; --i)
    std::memset(argv[i], 0, std::strlen(argv[i]));
  std::memcpy(name, "/pause", 6);
  ::prctl(PR_SET_NAME, "pause");
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  char may_stay = 0;
  if (::write(STDOUT_FILENO, "1", 1) != 1 || ::read(STDIN_FILENO, &may_stay, 1) != 1) return 125;
  for (int fd = 0; fd < 3; ++fd)
    ::close(fd);
  for (;;) {
    siginfo_t what{};
    int signal = ::sigwaitinfo(&all, &what);
    // A sender whom this namespace cannot see has no number here: nobody inside may end it. The kernel lets
    // nobody claim SI_USER for himself; with other codes a sender writes what number he likes.
    bool from_outside = what.si_code == SI_USER && what.si_pid == 0;
    if ((signal == SIGTERM || signal == SIGINT) && from_outside) return 0;
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}
