#include "runtime/volume/host_path.hpp"

#include "core/error.hpp"
#include "runtime/process/unique_fd.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>

namespace podium {
namespace {

struct type_row {
  const char* type;
  mode_t kind;
  const char* words;
};
constexpr std::array types{
    type_row{"Directory", S_IFDIR, "a directory"},
    type_row{"DirectoryOrCreate", S_IFDIR, "a directory"},
    type_row{"File", S_IFREG, "a file"},
    type_row{"FileOrCreate", S_IFREG, "a file"},
    type_row{"Socket", S_IFSOCK, "a socket file"},
    type_row{"CharDevice", S_IFCHR, "a character device"},
    type_row{"BlockDevice", S_IFBLK, "a block device"},
};

caf::error make_directory(const std::string& path) {
  std::error_code ec;
  std::filesystem::create_directories(path, ec);
  return ec ? errno_error("mkdir " + path, ec.value()) : caf::error{};
}

caf::error make_file(const std::string& path) {
  unique_fd made{::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0644)};
  return made ? caf::error{} : errno_error("open " + path, errno);
}

} // namespace

caf::error check_host_path(const std::string& path, const std::string& type) {
  struct stat facts {};
  bool there = ::stat(path.c_str(), &facts) == 0;
  if (!there && errno != ENOENT) return errno_error("stat " + path, errno);
  if (!there && (type.empty() || type == "DirectoryOrCreate")) return make_directory(path);
  if (!there && type == "FileOrCreate") return make_file(path);
  if (type.empty()) return {};
  for (auto& row : types)
    if (type == row.type) {
      if (there && (facts.st_mode & S_IFMT) == row.kind) return {};
      return make_error(errc::invalid, "hostPath type check failed: " + path + " is not " + row.words);
    }
  return make_error(errc::invalid, type + " is an invalid volume type");
}

} // namespace podium
