#include "runtime/network/namespaces.hpp"
#include "core/error.hpp"
#include <cerrno>
#include <fcntl.h>
#include <linux/magic.h>
#include <optional>
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <thread>
#include <unistd.h>

namespace podium {

caf::expected<netlink_socket> make_network_namespace(const std::filesystem::path& pin) {
  unique_fd file{::open(pin.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444)};
  if (!file) return errno_error("cannot make " + pin.string(), errno);
  std::optional<caf::expected<netlink_socket>> result;
  // A thread that ends afterwards: nothing has to be put back, and nothing can be put back wrongly.
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      result.emplace(errno_error("cannot make a network namespace (this needs CAP_SYS_ADMIN)", errno));
    } else if (::mount("/proc/thread-self/ns/net", pin.c_str(), "none", MS_BIND, nullptr) != 0) {
      result.emplace(errno_error("cannot pin a network namespace to " + pin.string(), errno));
    } else {
      result.emplace(netlink_socket::open());
    }
  }).join();
  if (!*result) (void)remove_network_namespace(pin);
  return std::move(*result);
}

bool is_network_namespace(const std::filesystem::path& pin) {
  struct statfs info {};
  return ::statfs(pin.c_str(), &info) == 0 && info.f_type == NSFS_MAGIC;
}

caf::error remove_network_namespace(const std::filesystem::path& pin) {
  while (is_network_namespace(pin))
    if (::umount2(pin.c_str(), MNT_DETACH) != 0) return errno_error("cannot unmount " + pin.string(), errno);
  if (::unlink(pin.c_str()) != 0 && errno != ENOENT)
    return errno_error("cannot remove " + pin.string(), errno);
  return {};
}

} // namespace podium
