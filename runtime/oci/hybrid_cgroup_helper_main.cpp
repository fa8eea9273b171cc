// Runs an OCI runtime on a host with a hybrid cgroup hierarchy. crun refuses `create` when the v2 mount at
// /sys/fs/cgroup/unified still has a controller; without that mount it sees a plain v1 host. This program
// hides the mount in a mount namespace of its own (slave: mounts made later by the daemon still arrive) and
// becomes the runtime, so that the daemon itself never leaves the host's namespace. conmon calls it as
// `podium-hybrid-cgroup create ...`; the runtime's path comes in PODIUM_OCI_RUNTIME, and is not passed on.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <unistd.h>

namespace {

int fail(const char* what) {
  std::fprintf(stderr, "podium-hybrid-cgroup: %s: %s\n", what, std::strerror(errno));
  return 125;
}

} // namespace

int main(int argc, char** argv) {
  const char* variable = std::getenv("PODIUM_OCI_RUNTIME");
  std::string runtime = variable != nullptr && variable[0] == '/' ? variable : "/usr/bin/crun";
  if (::unshare(CLONE_NEWNS) != 0) return fail("cannot unshare the mount namespace");
  if (::mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    return fail("cannot make the mounts slaves");
  // EINVAL and ENOENT: there is no such mount, which is what is wanted.
  if (::umount2("/sys/fs/cgroup/unified", MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT)
    return fail("cannot unmount /sys/fs/cgroup/unified");
  ::unsetenv("PODIUM_OCI_RUNTIME");
  argv[0] = runtime.data();
  (void)argc;
  ::execv(runtime.c_str(), argv);
  return fail(("cannot run " + runtime).c_str());
}
