#include "runtime/volume/atomic_files.hpp"

#include "core/error.hpp"
#include "runtime/oci/small_files.hpp"
#include "runtime/process/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace podium {
namespace {

namespace fs = std::filesystem;

constexpr const char* data_link = "..data";
constexpr const char* new_data_link = "..data_tmp";
/// What a group gets of what only the node writes.
constexpr mode_t group_file = 0440, group_dir = 02550;

/// Relative, without "..", and not of the writer's own names.
bool usable(const std::string& path) {
  if (path.empty() || path.size() > PATH_MAX / 2 || path.starts_with("..") || path.find('\0') != path.npos)
    return false;
  for (size_t at = 0; at <= path.size();) {
    auto end = std::min(path.find('/', at), path.size());
    auto part = path.substr(at, end - at);
    if (part.empty() || part == "." || part == ".." || part.size() > NAME_MAX) return false;
    at = end + 1;
  }
  return true;
}

std::string link_target(const std::string& path) {
  char text[PATH_MAX];
  auto n = ::readlink(path.c_str(), text, sizeof text);
  return n > 0 ? std::string{text, static_cast<size_t>(n)} : std::string{};
}

mode_t mode_of(const volume_file& file, int64_t group) {
  return static_cast<mode_t>(file.mode & 0777) | (group >= 0 ? group_file : 0);
}

bool same_file(const std::string& path, const volume_file& file, int64_t group) {
  struct stat facts {};
  return ::lstat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode)
         && (facts.st_mode & 07777) == mode_of(file, group) && static_cast<int64_t>(facts.st_uid) == file.user
         && (group < 0 || static_cast<int64_t>(facts.st_gid) == group)
         && facts.st_size == static_cast<off_t>(file.data->size())
         && read_small_file(path, file.data->size() + 1) == *file.data;
}

bool same_content(const std::string& directory, const std::vector<volume_file>& files, int64_t group) {
  std::error_code ec;
  size_t there = 0;
  for (fs::recursive_directory_iterator i{directory, ec}, end; !ec && i != end; i.increment(ec))
    there += i->is_directory(ec) ? 0 : 1;
  return !ec && there == files.size() && std::all_of(files.begin(), files.end(), [&](auto& f) {
    return same_file(directory + "/" + f.path, f, group);
  });
}

caf::error own(const std::string& path, mode_t mode, int64_t user, int64_t group) {
  if (::lchown(path.c_str(), static_cast<uid_t>(user), static_cast<gid_t>(group < 0 ? 0 : group)) != 0
      || ::chmod(path.c_str(), mode) != 0)
    return errno_error("cannot set the owner of " + path, errno);
  return {};
}

caf::error write_file(const std::string& path, const volume_file& file, int64_t group) {
  unique_fd fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!fd) return errno_error("cannot make " + path, errno);
  for (size_t at = 0; at < file.data->size();) {
    auto n = ::write(fd.get(), file.data->data() + at, file.data->size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("cannot write " + path, errno);
    at += static_cast<size_t>(n);
  }
  return own(path, mode_of(file, group), file.user, group);
}

/// "2026_11_23_00_08_25.123456789", as the kubelet names its versions.
std::string time_name() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  char text[64];
  auto n = std::strftime(text, sizeof text, "..%Y_%m_%d_%H_%M_%S.", &parts);
  auto nanos = std::to_string(now.tv_nsec);
  return std::string{text, n} + std::string(9 - std::min<size_t>(9, nanos.size()), '0') + nanos;
}

/// A fresh directory with all files; its name below the root.
caf::expected<std::string> write_version(const std::string& root, const std::vector<volume_file>& files,
                                         int64_t group) {
  auto name = time_name();
  auto directory = root + "/" + name;
  mode_t mode = group < 0 ? 0755 : 0755 | group_dir;
  if (::mkdir(directory.c_str(), 0755) != 0) return errno_error("cannot make " + directory, errno);
  auto write_all = [&]() -> caf::error {
    if (auto err = own(directory, mode, 0, group)) return err;
    std::set<std::string> made;
    for (auto& file : files) {
      for (auto slash = file.path.find('/'); slash != std::string::npos;
           slash = file.path.find('/', slash + 1)) {
        auto below = directory + "/" + file.path.substr(0, slash);
        if (!made.insert(below).second) continue;
        if (::mkdir(below.c_str(), 0755) != 0) return errno_error("cannot make " + below, errno);
        if (auto err = own(below, mode, 0, group)) return err;
      }
      if (auto err = write_file(directory + "/" + file.path, file, group)) return err;
    }
    return {};
  };
  if (auto err = write_all()) {
    remove_tree(directory);
    return err;
  }
  return name;
}

/// Makes the links that show the files, and takes away what belongs to no file of this version.
caf::error tidy(const std::string& root, const std::vector<volume_file>& files, const std::string& version) {
  std::set<std::string> shown;
  for (auto& file : files)
    shown.insert(file.path.substr(0, file.path.find('/')));
  for (auto& name : shown) {
    auto link = root + "/" + name, target = std::string{data_link} + "/" + name;
    if (link_target(link) == target) continue;
    remove_tree(link);
    if (::symlink(target.c_str(), link.c_str()) != 0) return errno_error("cannot make " + link, errno);
  }
  std::vector<std::string> stale;
  std::error_code ec;
  for (auto& entry : fs::directory_iterator(root, ec)) {
    auto name = entry.path().filename().string();
    if (name != version && name != data_link && !shown.contains(name)) stale.push_back(entry.path().string());
  }
  for (auto& path : stale)
    remove_tree(path);
  return {};
}

} // namespace

caf::expected<bool> write_atomically(const std::string& root, const std::vector<volume_file>& files,
                                     int64_t group) {
  for (auto& file : files)
    if (!usable(file.path) || !file.data)
      return make_error(errc::invalid, "invalid path: \"" + file.path + "\" leaves the volume");
  auto current = link_target(root + "/" + data_link);
  if (!current.empty() && same_content(root + "/" + current, files, group)) {
    if (auto err = tidy(root, files, current)) return err;
    return false;
  }
  auto version = write_version(root, files, group);
  if (!version) return version.error();
  auto fresh = root + "/" + new_data_link;
  ::unlink(fresh.c_str());
  if (::symlink(version->c_str(), fresh.c_str()) != 0
      || ::rename(fresh.c_str(), (root + "/" + data_link).c_str()) != 0) {
    auto err = errno_error("cannot replace the files of " + root, errno);
    remove_tree(root + "/" + *version);
    return err;
  }
  if (auto err = tidy(root, files, *version)) return err;
  return true;
}

} // namespace podium
