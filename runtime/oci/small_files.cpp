#include "runtime/oci/small_files.hpp"

#include "core/error.hpp"
#include "runtime/process/unique_fd.hpp"
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <memory>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace podium {
namespace {

/// Deeper directories are moved to the top first: a container may have nested thousands, and each level costs
/// a descriptor.
constexpr int max_depth = 64;

/// Whether something is mounted at the path itself, be it a part of the same file system (a bind mount).
bool is_mount_root(const std::string& path) {
  struct statx facts {};
  return ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &facts) == 0
         && (facts.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/// A directory's child directory; none where it is a link or where another mount begins. A device's number
/// would not tell: a bind mount of the same file system has the same one.
unique_fd open_child(int directory, const char* name) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  while (true) {
    auto fd = static_cast<int>(::syscall(SYS_openat2, directory, name, &how, sizeof how));
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return unique_fd{fd};
  }
}

struct tree_removal {
  int top = -1;
  unsigned moved = 0;

  void empty(int directory, int depth) {
    std::unique_ptr<DIR, int (*)(DIR*)> dir{::fdopendir(directory), ::closedir};
    if (!dir) {
      ::close(directory);
      return;
    }
    while (auto* entry = ::readdir(dir.get())) {
      std::string_view child = entry->d_name;
      if (child == "." || child == ".." || ::unlinkat(directory, entry->d_name, 0) == 0) continue;
      if (depth >= max_depth) {
        auto name = ".moved-" + std::to_string(moved + 1);
        if (::renameat(directory, entry->d_name, top, name.c_str()) == 0) {
          ++moved;
          continue;
        }
      }
      if (auto fd = open_child(directory, entry->d_name)) empty(fd.release(), depth + 1);
      ::unlinkat(directory, entry->d_name, AT_REMOVEDIR);
    }
  }
};

} // namespace

std::string read_small_file(const std::string& path, size_t limit_bytes) {
  unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string text;
  if (!fd) return text;
  char buffer[8192];
  while (text.size() < limit_bytes) {
    auto n = ::read(fd.get(), buffer, std::min(sizeof buffer, limit_bytes - text.size()));
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

bool write_small_file(const std::string& path, std::string_view text) {
  unique_fd fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

caf::error replace_file(const std::string& path, std::string_view text, unsigned mode) {
  std::string fresh = path + ".new";
  unique_fd fd{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)};
  if (!fd) return errno_error(fresh, errno);
  for (size_t at = 0; at < text.size();) {
    auto n = ::write(fd.get(), text.data() + at, text.size() - at);
    if (n < 0) {
      int why = errno;
      ::unlink(fresh.c_str());
      return errno_error(fresh, why);
    }
    at += static_cast<size_t>(n);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return errno_error(path, errno);
  return {};
}

void remove_tree(const std::string& path) {
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0) return;
  if (!S_ISDIR(facts.st_mode)) {
    ::unlink(path.c_str());
    return;
  }
  if (is_mount_root(path)) return;
  for (unsigned before = 1; before != 0;) {
    unique_fd top{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!top) return;
    tree_removal removal{top.get()};
    removal.empty(::fcntl(top.get(), F_DUPFD_CLOEXEC, 3), 0);
    before = removal.moved;
  }
  ::rmdir(path.c_str());
}

std::string boot_id() {
  auto id = read_small_file("/proc/sys/kernel/random/boot_id", 64);
  while (!id.empty() && id.back() == '\n')
    id.pop_back();
  return id;
}

} // namespace podium
