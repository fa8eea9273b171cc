#include "runtime/oci/log_rotation.hpp"

#include "runtime/process/unique_fd.hpp"
#include <cstdio>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>

namespace podium {

bool rotate_log(const std::string& log, const std::string& control, int64_t max_bytes, int max_files) {
  struct stat facts {};
  if (max_bytes <= 0 || ::lstat(log.c_str(), &facts) != 0 || facts.st_size <= max_bytes) return false;
  // Opened first: without a reader there is nobody to open a new log.
  unique_fd fifo{::open(control.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW)};
  if (!fifo) return false;
  auto numbered = [&](int n) { return log + "." + std::to_string(n); };
  ::unlink(numbered(max_files - 1).c_str());
  for (int n = max_files - 2; n >= 1; --n)
    ::rename(numbered(n).c_str(), numbered(n + 1).c_str());
  if (max_files > 1)
    ::rename(log.c_str(), numbered(1).c_str());
  else
    ::unlink(log.c_str());
  constexpr std::string_view reopen = "2 0 0\n"; // type 2: reopen the logs
  return ::write(fifo.get(), reopen.data(), reopen.size()) == static_cast<ssize_t>(reopen.size());
}

} // namespace podium
