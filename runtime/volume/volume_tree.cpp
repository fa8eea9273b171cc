#include "runtime/volume/volume_tree.hpp"

#include "core/error.hpp"
#include "runtime/process/unique_fd.hpp"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <functional>
#include <linux/openat2.h>
#include <memory>
#include <set>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace podium {
namespace {

constexpr mode_t group_rw = 0660, group_dir = 02110;

/// Of a tree that a pod has made. So many are some hundred megabytes by themselves, which are counted.
constexpr size_t max_waiting_directories = 100'000;

/// Calls `visit(directory fd, name, facts)` for everything below a root. One directory is open at a time:
/// whoever nests thousands must not use up the descriptors of the node.
using visitor = std::function<void(int directory, const char* name, const struct stat& facts)>;
void walk(const std::string& root, const visitor& visit, size_t max_waiting = SIZE_MAX) {
  unique_fd top{::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  struct stat base {};
  if (!top || ::fstat(top.get(), &base) != 0) return;
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  std::vector<std::string> waiting{"."};
  while (!waiting.empty()) {
    auto path = std::move(waiting.back());
    waiting.pop_back();
    auto fd = static_cast<int>(::syscall(SYS_openat2, top.get(), path.c_str(), &how, sizeof how));
    if (fd < 0) continue;
    std::unique_ptr<DIR, int (*)(DIR*)> dir{::fdopendir(fd), ::closedir};
    if (!dir) {
      ::close(fd);
      continue;
    }
    while (auto* entry = ::readdir(dir.get())) {
      std::string_view name = entry->d_name;
      struct stat facts {};
      if (name == "." || name == ".." || ::fstatat(fd, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0
          || facts.st_dev != base.st_dev)
        continue;
      visit(fd, entry->d_name, facts);
      if (S_ISDIR(facts.st_mode) && waiting.size() < max_waiting)
        waiting.push_back(path + "/" + entry->d_name);
    }
  }
}

mode_t wanted_mode(const struct stat& facts) {
  return (facts.st_mode & 07777) | group_rw | (S_ISDIR(facts.st_mode) ? group_dir : 0);
}

} // namespace

caf::error give_to_group(const std::string& root, int64_t group, bool on_root_mismatch) {
  auto gid = static_cast<gid_t>(group);
  struct stat facts {};
  if (::stat(root.c_str(), &facts) != 0) return errno_error(root, errno);
  if (on_root_mismatch && facts.st_gid == gid && (facts.st_mode & 07777) == wanted_mode(facts)) return {};
  walk(root, [&](int directory, const char* name, const struct stat& entry) {
    // By descriptor: what was looked at is what is changed, whoever swaps names meanwhile.
    unique_fd fd{::openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)};
    struct stat now {};
    if (!fd || ::fstat(fd.get(), &now) != 0 || now.st_ino != entry.st_ino) return;
    ::fchownat(fd.get(), "", static_cast<uid_t>(-1), gid, AT_EMPTY_PATH);
    if (S_ISLNK(now.st_mode)) return;
    ::chmod(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), wanted_mode(now));
  });
  // The root last: a walk that was cut short is not taken for a whole one.
  if (::chown(root.c_str(), static_cast<uid_t>(-1), gid) != 0
      || ::chmod(root.c_str(), wanted_mode(facts)) != 0)
    return errno_error("cannot give " + root + " to group " + std::to_string(group), errno);
  return {};
}

int64_t tree_bytes(const std::string& root) {
  int64_t sum = 0;
  std::set<ino_t> linked;
  walk(
      root,
      [&](int, const char*, const struct stat& facts) {
        if (facts.st_nlink > 1 && !S_ISDIR(facts.st_mode) && !linked.insert(facts.st_ino).second) return;
        sum += static_cast<int64_t>(facts.st_blocks) * 512;
      },
      max_waiting_directories);
  return sum;
}

} // namespace podium
