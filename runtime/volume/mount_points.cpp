#include "runtime/volume/mount_points.hpp"

#include "core/error.hpp"
#include "runtime/oci/small_files.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sys/mount.h>
#include <sys/stat.h>

namespace podium {
namespace {

/// How often a directory's mounts are taken away before it is given up.
constexpr int unmount_rounds = 4;

/// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescaped(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 3 >= text.size()) {
      out += text[i];
      continue;
    }
    out += static_cast<char>((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 | (text[i + 3] - '0'));
    i += 3;
  }
  return out;
}

bool exists(const std::string& path) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0;
}

} // namespace

bool is_mount_point(const std::string& directory) {
  struct stat own {
  }, parent{};
  return ::lstat(directory.c_str(), &own) == 0 && ::stat((directory + "/..").c_str(), &parent) == 0
         && own.st_dev != parent.st_dev;
}

caf::error mount_memory(const std::string& directory, int64_t size_bytes, int64_t group) {
  if (is_mount_point(directory)) return {};
  std::string options = group < 0 ? "mode=1777" : "mode=3777,gid=" + std::to_string(group);
  if (size_bytes > 0) options += ",size=" + std::to_string(size_bytes);
  constexpr auto flags = MS_NOSUID | MS_NODEV;
  if (::mount("podium", directory.c_str(), "tmpfs", flags, (options + ",noswap").c_str()) == 0
      || ::mount("podium", directory.c_str(), "tmpfs", flags, options.c_str()) == 0)
    return {};
  return errno_error("cannot mount " + directory, errno);
}

void unmount_all(const std::string& path) {
  while (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
}

std::vector<std::string> mount_points_below(const std::string& directory) {
  std::vector<std::string> found;
  // The table has real paths.
  std::error_code ec;
  auto real = std::filesystem::canonical(directory, ec).string();
  if (ec) real = directory;
  std::ifstream table{"/proc/thread-self/mountinfo"};
  for (std::string line; std::getline(table, line);) {
    // The fifth word is the place.
    size_t begin = 0;
    for (int i = 0; i < 4 && begin != std::string::npos; ++i)
      begin = line.find(' ', begin + 1);
    if (begin == std::string::npos) continue;
    auto point = unescaped(line.substr(begin + 1, line.find(' ', begin + 1) - begin - 1));
    if (point == real || point.starts_with(real + "/")) found.push_back(std::move(point));
  }
  std::reverse(found.begin(), found.end());
  return found;
}

caf::error remove_with_mounts(const std::string& directory) {
  if (!exists(directory)) return {};
  // The usual mounts are right below. Reading the table of all the machine's mounts for each pod would make a
  // hundred that end at once wait for nothing else; remove_tree() enters none that is left.
  std::error_code ec;
  for (auto& entry : std::filesystem::directory_iterator(directory, ec))
    unmount_all(entry.path().string()); // a sub path may be a file
  unmount_all(directory);
  remove_tree(directory);
  if (!exists(directory)) return {};
  // All mounts first: what is behind them is somebody else's. A mount may hide others, and one that is taken
  // away may have been made visible to others by sharing: the table is read until it says that none is left.
  auto points = mount_points_below(directory);
  for (int round = 0; round < unmount_rounds && !points.empty(); ++round) {
    for (auto& point : points)
      unmount_all(point);
    points = mount_points_below(directory);
  }
  if (!points.empty())
    return make_error(errc::io, points.front() + " is mounted below " + directory + " and does not go");
  remove_tree(directory);
  if (!exists(directory)) return {};
  return make_error(errc::io, directory + " could not be removed");
}

} // namespace podium
