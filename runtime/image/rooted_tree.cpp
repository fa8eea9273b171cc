#include "runtime/image/rooted_tree.hpp"
#include "core/error.hpp"
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace podium {

namespace {

constexpr size_t max_path_chars = 4'096;
constexpr int max_links = 40;

std::string_view head_of(std::string_view path) {
  auto slash = path.rfind('/');
  return slash == path.npos ? std::string_view{} : path.substr(0, slash);
}

std::string_view leaf_of(std::string_view path) {
  auto slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

// Where a link that lies in `dir` points, as a path from the root; ".." stops at the root.
std::string join_in_root(std::string_view dir, std::string_view target) {
  std::vector<std::string_view> parts;
  auto add = [&](std::string_view path) {
    while (!path.empty()) {
      auto slash = path.find('/');
      auto part = path.substr(0, slash);
      path = slash == path.npos ? std::string_view{} : path.substr(slash + 1);
      if (part.empty() || part == ".") continue;
      if (part != "..") {
        parts.push_back(part);
      } else if (!parts.empty()) {
        parts.pop_back();
      }
    }
  };
  if (!target.starts_with('/')) add(dir);
  add(target);
  std::string result;
  for (auto part : parts) {
    if (!result.empty()) result += '/';
    result += part;
  }
  return result;
}

} // namespace

caf::expected<std::string> clean_archive_path(std::string_view path) {
  if (path.size() > max_path_chars)
    return make_error(errc::invalid,
                      "a path in the layer is longer than " + std::to_string(max_path_chars) + " bytes");
  std::string result;
  while (!path.empty()) {
    auto slash = path.find('/');
    auto part = path.substr(0, slash);
    path = slash == path.npos ? std::string_view{} : path.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == ".." || part.find('\0') != part.npos)
      return make_error(errc::invalid, "a path in the layer leaves the image's root");
    if (part.size() > NAME_MAX) return make_error(errc::invalid, "a file name in the layer is too long");
    if (!result.empty()) result += '/';
    result += part;
  }
  return result;
}

unique_fd rooted_tree::open_in_root(const std::string& path, int flags) const {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  while (true) {
    auto fd = static_cast<int>(
        ::syscall(SYS_openat2, root_.get(), path.empty() ? "." : path.c_str(), &how, sizeof how));
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return unique_fd{fd};
  }
}

unique_fd rooted_tree::open_directory(const std::string& path) const {
  return open_in_root(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

// A parent that the archive does not carry itself: usually it lies in a lower layer.
caf::error rooted_tree::make_directories(const std::string& path, int depth) {
  if (depth > max_links) return errno_error("cannot make /" + path + " in the image", ELOOP);
  if (path.empty()) return {};
  if (open_in_root(path, O_PATH | O_DIRECTORY)) return {};
  std::string head{head_of(path)};
  std::string leaf{leaf_of(path)};
  if (auto err = make_directories(head, depth)) return err;
  auto dir = open_in_root(head, O_PATH | O_DIRECTORY);
  if (!dir) return errno_error("cannot open /" + head + " in the image", errno);
  if (::mkdirat(dir.get(), leaf.c_str(), 0755) == 0) return {};
  if (errno != EEXIST) return errno_error("cannot make /" + path + " in the image", errno);
  char target[PATH_MAX];
  auto n = ::readlinkat(dir.get(), leaf.c_str(), target, sizeof target);
  if (n < 0) return errno_error("/" + path + " in the layer is no directory but has files below it", ENOTDIR);
  return make_directories(join_in_root(head, {target, static_cast<size_t>(n)}), depth + 1);
}

caf::expected<int> rooted_tree::parent_of(const std::string& path) {
  std::string head{head_of(path)};
  if (cached_ && head == cached_path_) return cached_.get();
  auto fd = open_in_root(head, O_PATH | O_DIRECTORY);
  if (!fd) {
    // The depth of the recursion is bounded by the path's length.
    if (auto err = make_directories(head, 0)) return err;
    fd = open_in_root(head, O_PATH | O_DIRECTORY);
    if (!fd) return errno_error("cannot open /" + head + " in the image", errno);
  }
  cached_ = std::move(fd);
  cached_path_ = std::move(head);
  return cached_.get();
}

caf::error rooted_tree::remove(int parent, const std::string& name) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR) return errno_error("cannot replace " + name + " in the image", errno);
  if (::renameat(parent, name.c_str(), trash_.get(), std::to_string(trashed_++).c_str()) != 0)
    return errno_error("cannot replace " + name + " in the image", errno);
  return {};
}

} // namespace podium
