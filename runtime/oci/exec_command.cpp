#include "runtime/oci/exec_command.hpp"

#include "core/error.hpp"
#include "runtime/oci/small_files.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <sys/mman.h>
#include <unistd.h>

namespace podium {
namespace {

/// What a kernel takes as arguments and environment (6 MiB), with every character escaped.
constexpr size_t max_config_bytes = 36 << 20;

} // namespace

std::vector<std::string> exec_arguments(const oci_runtime_program& program,
                                        const std::string& state_directory, const std::string& container_id,
                                        const exec_options& options) {
  std::vector<std::string> argv{
      program.path,   "--root", state_directory, "--log", "/proc/self/fd/" + std::to_string(exec_error_fd),
      "--log-format", "json",   "exec"};
  argv.insert(argv.end(), {"--process", "/proc/self/fd/" + std::to_string(exec_process_fd)});
  if (options.tty) argv.insert(argv.end(), {"--tty", "--console-socket", options.console_socket});
  argv.push_back(container_id);
  return argv;
}

caf::expected<exec_process> make_exec_process(const std::string& bundle,
                                              const std::vector<std::string>& command, bool tty) {
  boost::system::error_code ec;
  auto config = boost::json::parse(read_small_file(bundle + "/config.json", max_config_bytes), ec);
  auto* object = ec ? nullptr : config.if_object();
  auto* found = object ? object->if_contains("process") : nullptr;
  if (!found || !found->is_object())
    return make_error(errc::not_found, "the container's configuration is gone");
  auto& process = found->get_object();
  boost::json::array args;
  for (auto& word : command)
    args.emplace_back(word);
  process["args"] = std::move(args);
  process["terminal"] = tty;
  auto* env = process["env"].if_array();
  auto is_term = [](auto& entry) { return entry.is_string() && entry.get_string().starts_with("TERM="); };
  // A terminal without a TERM is of little use.
  if (tty && env && std::none_of(env->begin(), env->end(), is_term)) env->emplace_back("TERM=xterm");
  auto text = boost::json::serialize(process);
  unique_fd file{::memfd_create("exec-process", MFD_CLOEXEC)};
  if (!file || ::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    return errno_error("memfd_create", errno);
  exec_process out{std::move(file), {}};
  if (auto* score = process.if_contains("oomScoreAdj"); score && score->is_int64())
    out.oom_score_adj = static_cast<int>(score->get_int64());
  return out;
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
  // Source: Go's exec.LookPath: a path is looked at, a name is looked for.
  return "exec: \"" + name + "\": "
         + (name.find('/') == std::string::npos ? "executable file not found in $PATH"
                                                : "stat " + name + ": no such file or directory");
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
