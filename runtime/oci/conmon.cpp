#include "runtime/oci/conmon.hpp"

#include "core/error.hpp"
#include "runtime/oci/small_files.hpp"
#include "runtime/process/fd_stream.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <csignal>
#include <filesystem>

namespace podium {
namespace {

/// The descriptor's number in conmon, told by _OCI_SYNCPIPE.
constexpr int sync_fd = 3;
constexpr size_t max_report_bytes = 64 * 1024;

/// One start: lives until the report is in and conmon has ended.
struct attempt : std::enable_shared_from_this<attempt> {
  event_loop& loop;
  pid_t conmon = 0;
  std::function<void(conmon_started)> created;
  std::function<void()> ended;
  std::unique_ptr<fd_stream> sync;
  std::string text;
  uint64_t timer = 0;
  bool reported = false, conmon_gone = false;

  explicit attempt(event_loop& l) : loop(l) {}

  void report(caf::expected<conmon_report> r) {
    if (reported) return;
    reported = true;
    if (timer != 0) loop.cancel(timer);
    timer = 0;
    sync.reset();
    auto f = std::move(created);
    created = nullptr;
    f({conmon, std::move(r)});
    if (conmon_gone) ended();
  }
  void received(std::string_view bytes) {
    text.append(bytes.substr(0, max_report_bytes - std::min(max_report_bytes, text.size())));
    if (auto end = text.find('\n'); end != std::string::npos)
      report(parse_conmon_report(std::string_view{text}.substr(0, end)));
  }
  void closed() {
    report(text.empty() ? make_error(errc::container_start, "conmon ended without a report")
                        : parse_conmon_report(text));
  }
};

} // namespace

std::vector<std::string> conmon_command(const oci_settings& settings, const oci_runtime_program& program,
                                        const instance_file& instance) {
  auto paths = paths_of(settings, instance.key, instance.id);
  // --sync: it stays our child, so that its pidfd is right from the first moment. It makes its own session
  // anyway.
  std::vector<std::string> argv{settings.conmon,
                                "--api-version",
                                "1",
                                "--sync",
                                "-c",
                                instance.id,
                                "-u",
                                instance.id,
                                "-n",
                                instance.key.name,
                                "-r",
                                program.create_path,
                                "-b",
                                paths.directory,
                                "-p",
                                paths.pidfile,
                                "--exit-dir",
                                exit_directory(settings),
                                "-0",
                                paths.directory,
                                "-l",
                                "k8s-file:" + instance.log_path,
                                "--log-level",
                                "warning",
                                "--full-attach",
                                "--no-sync-log",
                                "--runtime-arg",
                                "--root",
                                "--runtime-arg",
                                runtime_state_directory(settings)};
  if (instance.tty) argv.emplace_back("-t");
  if (instance.stdin_) {
    argv.emplace_back("-i");
    if (!instance.stdin_once) argv.emplace_back("--leave-stdin-open");
  }
  return argv;
}

caf::expected<conmon_report> parse_conmon_report(std::string_view line) {
  boost::system::error_code ec;
  auto value = boost::json::parse({line.data(), line.size()}, ec);
  auto* object = ec ? nullptr : value.if_object();
  auto* data = object ? object->if_contains("data") : nullptr;
  if (!data || !data->is_int64())
    return make_error(errc::container_start,
                      "conmon reported something else than a pid: " + std::string{line.substr(0, 200)});
  conmon_report report;
  report.pid = static_cast<int32_t>(data->get_int64());
  if (auto* message = object->if_contains("message"); message && message->is_string())
    report.message = std::string{message->get_string()};
  while (!report.message.empty() && report.message.back() == '\n')
    report.message.pop_back();
  return report;
}

std::map<std::string, pid_t> find_conmons(const oci_settings& settings) {
  constexpr size_t max_command_bytes = 64 * 1024;
  std::map<std::string, pid_t> found;
  std::error_code ec;
  for (std::filesystem::directory_iterator i{"/proc", ec}, end; !ec && i != end; i.increment(ec)) {
    auto name = i->path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr != name.data() + name.size())
      continue;
    auto text = read_small_file(i->path().string() + "/cmdline", max_command_bytes);
    if (!text.starts_with(settings.conmon + '\0')) continue;
    std::string_view option{"\0-c\0", 4};
    auto at = text.find(option);
    if (at == text.npos) continue;
    at += option.size();
    found.emplace(text.substr(at, text.find('\0', at) - at), pid);
  }
  return found;
}

void start_conmon(launcher& children, const oci_settings& settings, const oci_runtime_program& program,
                  const instance_file& instance, std::function<void(conmon_started)> created,
                  std::function<void()> ended) {
  auto pipe = make_pipe();
  if (!pipe) return created({0, std::move(pipe.error())});
  spawn_request request;
  request.argv = conmon_command(settings, program, instance);
  request.env = {"_OCI_SYNCPIPE=" + std::to_string(sync_fd), "PODIUM_OCI_RUNTIME=" + program.path,
                 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  request.fds = {{pipe->second.get(), sync_fd}};
  request.cwd = paths_of(settings, instance.key, instance.id).directory; // where it drops a file "oom"
  auto a = std::make_shared<attempt>(children.loop());
  a->created = std::move(created);
  a->ended = std::move(ended);
  auto pid = children.spawn(request, [a](exit_status) {
    a->conmon_gone = true;
    if (a->reported) return a->ended();
    // Its last words may still be in the pipe; the end of file follows them.
  });
  if (!pid) return a->report(pid.error());
  a->conmon = *pid;
  pipe->second.reset();
  a->sync = std::make_unique<fd_stream>(children.loop(), std::move(pipe->first));
  a->sync->read([a](std::string_view bytes) { a->received(bytes); }, [a] { a->closed(); });
  a->timer = children.loop().after(settings.start_timeout, [a, conmon = *pid] {
    a->timer = 0;
    ::kill(conmon, SIGKILL);
    a->report(make_error(errc::timeout, "the container runtime did not create the container in time"));
  });
}

} // namespace podium
