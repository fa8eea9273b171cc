#include "runtime/oci/exec_command.hpp"

#include "core/error.hpp"
#include <boost/json.hpp>
#include <cerrno>
#include <sys/mman.h>
#include <unistd.h>

namespace podium {

std::vector<std::string> exec_arguments(const oci_runtime_program& program,
                                        const std::string& state_directory, const std::string& container_id,
                                        const std::vector<std::string>& command,
                                        const exec_options& options) {
  std::vector<std::string> argv{
      program.path,   "--root", state_directory, "--log", "/proc/self/fd/" + std::to_string(exec_error_fd),
      "--log-format", "json",   "exec"};
  if (options.tty) argv.insert(argv.end(), {"--tty", "--console-socket", options.console_socket});
  for (auto& variable : options.env)
    argv.insert(argv.end(), {"--env", variable});
  argv.push_back(container_id);
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

std::vector<std::string> exec_environment() {
  return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
}

caf::expected<unique_fd> make_error_file() {
  int fd = ::memfd_create("exec-errors", MFD_CLOEXEC);
  if (fd < 0) return errno_error("memfd_create", errno);
  return unique_fd{fd};
}

std::string plain_runtime_error(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
    text.pop_back();
  constexpr std::string_view crun_start = "executable file `", crun_end = "` not found in $PATH";
  auto begin = text.find(crun_start);
  auto end = text.find(crun_end);
  if (begin == std::string::npos || end == std::string::npos || end < begin) return text;
  auto name = text.substr(begin + crun_start.size(), end - begin - crun_start.size());
  return "exec: \"" + name + "\": executable file not found in $PATH";
}

std::string exec_error(const unique_fd& file) {
  char buffer[8192];
  auto n = ::pread(file.get(), buffer, sizeof buffer, 0);
  if (n <= 0) return {};
  std::string_view text{buffer, static_cast<size_t>(n)};
  std::string last;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    boost::system::error_code ec;
    auto value = boost::json::parse({line.data(), line.size()}, ec);
    auto* object = ec ? nullptr : value.if_object();
    if (!object) continue;
    auto* level = object->if_contains("level");
    auto* message = object->if_contains("msg");
    if (message && message->is_string() && (!level || *level == "error"))
      last = std::string{message->get_string()};
  }
  return plain_runtime_error(std::move(last));
}

} // namespace podium
