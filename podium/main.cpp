// The podium command: up (the daemon), down, user, settings, check, version.
#include "actors/admission.hpp"
#include "config/manifest.hpp"
#include "core/error.hpp"
#include "podium/daemon.hpp"
#include "podium/data_dir.hpp"
#include "podium/user_command.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstring>
#include <iostream>
#include <malloc.h>
#include <poll.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

using namespace podium;

struct options {
  std::string config_file, data_dir, run_dir, listen, node_name;
  std::vector<std::string> manifests;
  bool follow = false;
  user_request user;
  int64_t days = 365;
};

int fail(const std::string& message) {
  std::cerr << "podium: " << message << "\n";
  return 1;
}

caf::expected<config::settings> load_settings(const options& o) {
  config::settings out;
  if (!o.config_file.empty()) {
    auto read = config::read_settings(o.config_file);
    if (!read) return read.error();
    out = *read;
  }
  if (!o.data_dir.empty()) out.data_dir = o.data_dir;
  if (!o.run_dir.empty()) out.run_dir = o.run_dir;
  if (!o.listen.empty()) out.api.listen = o.listen;
  if (!o.node_name.empty()) out.node_name = o.node_name;
  if (auto wrong = config::check_settings(out)) return wrong;
  return out;
}

/// Every watch and every container costs descriptors: take all that the limit allows.
void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// A heap for each thread, which is malloc's way, would keep what pods of the past needed in each of them.
void share_heaps() {
  ::mallopt(M_ARENA_MAX, 2);
}

int up(const options& o) {
  share_heaps(); // before there are threads
  raise_file_limit();
  daemon_options run;
  auto settings = load_settings(o);
  if (!settings) return fail(message_of(settings.error()));
  run.settings = std::move(*settings);
  run.manifests = o.manifests;
  run.follow = o.follow;
  spdlog::set_default_logger(spdlog::stderr_color_mt("podium"));
  spdlog::set_level(spdlog::level::from_str(run.settings.log_level));
  return run_daemon(run);
}

/// Tells the daemon to end its pods and itself, and waits for its end.
int down(const options& o) {
  auto settings = load_settings(o);
  if (!settings) return fail(message_of(settings.error()));
  auto pid = running_daemon(*settings);
  if (!pid) return fail(message_of(pid.error()));
  auto fd = static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0));
  if (fd < 0 || ::syscall(SYS_pidfd_send_signal, fd, SIGUSR2, nullptr, 0) != 0)
    return fail("the daemon cannot be reached: " + std::string{std::strerror(errno)});
  pollfd ended{fd, POLLIN, 0};
  auto n = ::poll(&ended, 1, 2'000);
  if (n == 0) {
    std::cerr
        << "podium: waiting for the pods to end, each within its grace period, and then the daemon (process "
        << *pid << ")" << std::endl;
    n = ::poll(&ended, 1, 178'000);
  }
  ::close(fd);
  return n == 1 ? 0 : fail("the daemon did not end within 3 minutes");
}

/// Prints a kubeconfig for a new user.
int user(const options& o) {
  auto settings = load_settings(o);
  if (!settings) return fail(message_of(settings.error()));
  auto request = o.user;
  request.validity = std::chrono::hours{24 * o.days};
  auto text = make_user_kubeconfig(*settings, request);
  if (!text) return fail(message_of(text.error()));
  std::cout << *text;
  return 0;
}

std::string name_of(const config::manifest& manifest) {
  boost::system::error_code ec;
  auto* name = manifest.object.find_pointer("/metadata/name", ec);
  return name && name->is_string() ? std::string{name->get_string()} : std::string{};
}

/// What a valid pod asks for and will not get here; empty: nothing.
std::string refusal_of(const config::manifest& manifest) {
  if (manifest.gvk.kind != "Pod") return {};
  auto* spec = manifest.object.as_object().if_contains("spec");
  auto* wanted = spec && spec->is_object() ? spec->get_object().if_contains("runtimeClassName") : nullptr;
  if (wanted && wanted->is_string() && !wanted->get_string().empty())
    return "it will be forbidden: RuntimeClass \"" + std::string{wanted->get_string()} + "\" not found";
  auto fault = unsupported_feature(manifest.object);
  return fault ? "the node will reject it with reason " + fault.reason + ": " + fault.message : std::string{};
}

int check(const options& o) {
  int code = 0;
  for (auto& file : o.manifests) {
    auto read = config::load_manifests(file);
    if (read) {
      for (auto& manifest : *read) {
        for (auto& text : manifest.warnings)
          std::cerr << text << "\n";
        if (auto why = refusal_of(manifest); !why.empty())
          std::cerr << file << ": warning: Pod " << name_of(manifest) << ": " << why << "\n";
      }
      std::cout << file << ": " << read->size() << " object" << (read->size() == 1 ? "" : "s") << " valid\n";
      continue;
    }
    std::cerr << message_of(read.error()) << "\n";
    code = 1;
  }
  return code;
}

/// `--help` and `--version` end here too, with code 0.
int wrong_usage(const CLI::App& app, const CLI::ParseError& error, std::string_view command) {
  if (error.get_exit_code() == 0) return app.exit(error);
  auto known = app.get_subcommands([](const CLI::App*) { return true; });
  auto named = std::any_of(known.begin(), known.end(), [&](auto* c) { return c->get_name() == command; });
  std::string text = error.what();
  if (!named && command.starts_with('-')) {
    text = "options go after the command: podium COMMAND " + std::string{command} + " …";
  } else if (!named) {
    text = command.empty() ? "a command is required" : "unknown command \"" + std::string{command} + "\"";
    text += "; one of:";
    for (auto* c : known)
      text += " " + c->get_name();
  }
  std::cerr << "podium: " << text << " (see podium --help)\n";
  return 2;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"Runs Kubernetes Pods with actors: a node daemon, scheduler and API server in one process."};
  app.require_subcommand(1);
  options o;
  auto common = [&o](CLI::App* command) {
    command->add_option("--config", o.config_file, "settings file (see: podium settings)");
    command->add_option("--data-dir", o.data_dir, "objects, images and containers (default /var/lib/podium)");
    command->add_option("--run-dir", o.run_dir, "what need not survive a boot (default /run/podium)");
  };
  auto* up_command = app.add_subcommand("up", "run the daemon in the foreground");
  common(up_command);
  up_command->add_option("--listen", o.listen, "API address (default 127.0.0.1:6443; port 0 picks one)");
  up_command->add_option("--node-name", o.node_name, "the node's name (default: the host's)");
  up_command->add_flag("--follow", o.follow, "print what becomes of the pods: states, restarts, events");
  up_command->add_option("manifests", o.manifests, "files to apply; Ctrl-C deletes them again");
  auto* down_command = app.add_subcommand("down", "end all pods and the daemon");
  common(down_command);
  auto* user_command = app.add_subcommand("user", "print a kubeconfig for another user");
  common(user_command);
  user_command->add_option("name", o.user.name, "the user's name")->required();
  user_command->add_option("--group", o.user.groups, "a group the user is in; may be repeated");
  user_command->add_option("--days", o.days, "how long the certificate is good (default 365)")
      ->check(CLI::Range(1, 3650));
  auto* settings_command = app.add_subcommand("settings", "print every setting with its default and meaning");
  auto* check_command = app.add_subcommand("check", "judge manifests without a daemon");
  check_command->add_option("manifests", o.manifests, "files")->required();
  auto* version_command = app.add_subcommand("version", "print the version");
  app.set_version_flag("--version", "podium " PODIUM_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return wrong_usage(app, e, argc > 1 ? argv[1] : "");
  }
  if (*up_command) return up(o);
  if (*down_command) return down(o);
  if (*user_command) return user(o);
  if (*check_command) return check(o);
  if (*settings_command) std::cout << podium::config::settings_reference();
  if (*version_command) std::cout << "podium " PODIUM_VERSION "\n";
  return 0;
}
