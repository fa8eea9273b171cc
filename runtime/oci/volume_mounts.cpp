#include "runtime/oci/volume_mounts.hpp"

#include "core/error.hpp"
#include "runtime/process/unique_fd.hpp"
#include "runtime/volume/mount_points.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <linux/openat2.h>
#include <sstream>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace podium {
namespace {

namespace fs = std::filesystem;

caf::error refused(std::string text) {
  return make_error(errc::container_config, std::move(text));
}

std::string sub_path_directory(const instance_paths& paths) {
  return paths.directory + "/subpaths";
}

/// Links on the way, absolute ones too, are followed as if the volume were "/".
unique_fd open_in_volume(const unique_fd& root, const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  while (true) {
    auto fd = static_cast<int>(
        ::syscall(SYS_openat2, root.get(), path.empty() ? "." : path.c_str(), &how, sizeof how));
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return unique_fd{fd};
  }
}

/// What a subPath leads to; directories that are missing are made like the volume's own.
caf::expected<unique_fd> open_sub_path(const container_mount& mount, const std::string& whose) {
  unique_fd root{::open(mount.source.c_str(), O_PATH | O_CLOEXEC)};
  struct stat facts {};
  if (!root || ::fstat(root.get(), &facts) != 0) return errno_error("cannot open " + mount.source, errno);
  std::string path;
  unique_fd at = open_in_volume(root, "");
  for (auto& part : fs::path{mount.sub_path}) {
    if (part.empty() || part == ".") continue;
    auto next = path + (path.empty() ? "" : "/") + part.string();
    auto fd = open_in_volume(root, next);
    if (!fd && errno == ENOENT && ::mkdirat(at.get(), part.c_str(), facts.st_mode & 07777) == 0) {
      fd = open_in_volume(root, next);
      // The process's umask has been at it.
      if (fd) ::chmod(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), facts.st_mode & 07777);
    }
    // What is there and leads nowhere within the volume.
    if (!fd && (errno == EEXIST || errno == ELOOP || errno == ENOTDIR))
      return refused("failed to prepare subPath for " + whose);
    if (!fd) return refused("failed to create subPath directory for " + whose);
    at = std::move(fd);
    path = std::move(next);
  }
  return at;
}

/// `volumeMount "v" of container "c"`: the kubelet's errors of subPaths say no more, as what is wrong may
/// tell of the host's files.
std::string whose(const container_mount& mount, const container_spec& container) {
  auto is_it = [&](const volume_mount& m) {
    auto path = fs::path{"/" + m.mount_path + "/"}.lexically_normal();
    return path == fs::path{mount.destination + "/"}.lexically_normal();
  };
  auto found = std::find_if(container.volume_mounts.begin(), container.volume_mounts.end(), is_it);
  return "volumeMount \"" + (found == container.volume_mounts.end() ? mount.destination : found->name)
         + "\" of container \"" + container.name + "\"";
}

caf::error bind_sub_path(const instance_paths& paths, container_mount& mount, size_t number,
                         const std::string& whose) {
  auto fd = open_sub_path(mount, whose);
  if (!fd) return fd.error();
  auto directory = sub_path_directory(paths);
  auto target = directory + "/" + std::to_string(number);
  std::error_code ec;
  fs::create_directories(directory, ec);
  struct stat facts {};
  if (ec || ::fstat(fd->get(), &facts) != 0) return errno_error("cannot make " + directory, ec.value());
  if (S_ISDIR(facts.st_mode)) {
    if (::mkdir(target.c_str(), 0700) != 0 && errno != EEXIST)
      return errno_error("cannot make " + target, errno);
  } else {
    unique_fd made{::open(target.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!made) return errno_error("cannot make " + target, errno);
  }
  auto source = "/proc/self/fd/" + std::to_string(fd->get());
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
    return errno_error("cannot bind subPath " + mount.sub_path, errno);
  mount.source = target;
  mount.sub_path.clear();
  return {};
}

/// The mount that a path lies on, and what it shares: its mountinfo line's optional fields.
struct mount_facts {
  std::string point;
  bool shared = false, slave = false;
};
mount_facts mount_of(const std::string& path) {
  std::error_code ec;
  auto real = fs::canonical(path, ec).string();
  mount_facts best;
  std::ifstream table{"/proc/thread-self/mountinfo"};
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields{line};
    std::string word, point;
    for (int i = 0; i < 4; ++i)
      fields >> word;
    fields >> point >> word; // and the options
    bool above = point == "/" || real == point || real.starts_with(point + "/");
    if (!above || point.size() < best.point.size()) continue;
    best = {point, false, false};
    while (fields >> word && word != "-") {
      best.shared = best.shared || word.starts_with("shared:");
      best.slave = best.slave || word.starts_with("master:");
    }
  }
  return best;
}

/// Source: the checks of container runtimes before a mount with propagation.
caf::error judge_propagation(const host_facts& host, const container_mount& mount) {
  bool back = mount.propagation == "Bidirectional";
  if (!back && mount.propagation != "HostToContainer") return {};
  if (back && host.slave_mounts)
    return refused(
        "mountPropagation Bidirectional of " + mount.destination
        + " cannot work on this node: its cgroup hierarchy is hybrid, and containers are made in a "
          "mount namespace that gives nothing back to the host's");
  auto on = mount_of(mount.source);
  if (on.shared || (on.slave && !back)) return {};
  return refused("path \"" + mount.source + "\" is mounted on \"" + on.point + "\" but it is not a shared"
                 + (back ? " mount" : " or slave mount"));
}

} // namespace

caf::error prepare_mounts(const instance_paths& paths, const host_facts& host, create_container& request) {
  auto& mounts = request.mounts;
  for (size_t i = 0; i < mounts.size(); ++i) {
    if (auto err = judge_propagation(host, mounts[i])) return err;
    if (mounts[i].sub_path.empty()) continue;
    if (auto err = bind_sub_path(paths, mounts[i], i, whose(mounts[i], request.spec))) return err;
  }
  return {};
}

void release_mounts(const instance_paths& paths) {
  auto directory = sub_path_directory(paths);
  struct stat facts {};
  if (::lstat(directory.c_str(), &facts) != 0) return;
  remove_with_mounts(directory);
}

} // namespace podium
