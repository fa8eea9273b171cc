#include "podium/daemon.hpp"

#include "api/resources.hpp"
#include "config/manifest.hpp"
#include "core/error.hpp"
#include "messages/pod.hpp"
#include "podium/ending.hpp"
#include "podium/follow.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>

namespace podium {
namespace {

constexpr std::chrono::seconds applied_limit{90}, all_pods_limit{120}, undo_limit{60};
/// How long the end waits for a terminal that takes nothing.
constexpr std::chrono::seconds output_limit{2};

int fail(const std::string& message) {
  std::cerr << "podium: " << message << std::endl;
  return 1;
}

/// "pod/web", "lease.coordination.k8s.io/x": as kubectl says it.
std::string shown_name(const object_key& key) {
  auto plural = key.resource.substr(0, key.resource.find('.'));
  auto rows = api::all_resources();
  auto row = std::find_if(rows.begin(), rows.end(), [&](auto& r) { return r.qualified() == key.resource; });
  auto kind = row == rows.end() ? plural : std::string{row->singular};
  return kind + key.resource.substr(plural.size()) + "/" + key.name;
}

/// Mistakes are told before anything is started. What can be read only once is left for its turn.
caf::error judge_files(const std::vector<std::string>& files) {
  for (auto& file : files) {
    std::error_code ec;
    auto type = std::filesystem::status(file, ec).type();
    if (type == std::filesystem::file_type::fifo || type == std::filesystem::file_type::character) continue;
    if (auto read = config::load_manifests(file); !read) return read.error();
  }
  return {};
}

/// Applies the manifests; what is done is added to `applied`. On an error nothing of them is left behind, but
/// for errc::cancelled: then `applied` stays, for the end's cause to say what becomes of it.
caf::error apply_all(engine& daemon, const daemon_options& options, const ending& end, line_writer& out,
                     std::vector<object_key>& applied) {
  for (auto& file : options.manifests) {
    // Also when the cause lets a start finish: nothing is begun that is to go at once.
    if (end.cause()) return make_error(errc::cancelled, "the daemon was asked to end");
    auto made = daemon.apply(file, end.stop());
    if (!made) {
      if (code_of(made.error()) != errc::cancelled) daemon.remove(applied, undo_limit, end.stop());
      return made.error();
    }
    for (auto& key : *made) {
      out.add(shown_name(key) + " created");
      applied.push_back(key);
    }
  }
  return {};
}

/// Says what an end that ends no pods leaves behind: whoever pressed Ctrl-C may have thought otherwise.
void tell_what_runs_on(engine& daemon, line_writer& out) {
  size_t running = 0;
  daemon.view().snapshot("pods")->each("", "", "", [&](const object_ref& pod) {
    auto& phase = pod->as_pod().status.phase;
    if (phase != "Succeeded" && phase != "Failed") ++running;
    return true;
  });
  if (running > 0)
    out.add(std::to_string(running) + (running == 1 ? " pod keeps running" : " pods keep running")
            + ": the next start takes over; podium down, while it runs, ends them");
}

/// Carries out what the end's cause asks for; the exit code.
int finish(engine& daemon, end_cause cause, const std::vector<object_key>& applied, const ending& end,
           line_writer& out) {
  bool through = true;
  if (cause == end_cause::interrupt && !applied.empty()) {
    out.add("\ndeleting what was applied; Ctrl-C again leaves it running");
    through = daemon.remove(applied, applied_limit, end.hurry());
    if (through) daemon.remove_unused_network();
  } else if (cause == end_cause::down) {
    through = daemon.remove_all_pods(all_pods_limit, end.hurry());
  }
  if (daemon.failure()) return 1; // the engine has said why
  if (through && cause != end_cause::down) tell_what_runs_on(daemon, out);
  if (through) return 0;
  if (end.hurry().stop_requested()) return 130;
  return fail("some objects did not go in time; they are deleted by the next start");
}

} // namespace

int run_daemon(const daemon_options& options) {
  if (auto wrong = judge_files(options.manifests)) return fail(message_of(wrong));
  ending end;
  auto daemon = engine::start(options.settings, end.stop());
  if (!daemon) return code_of(daemon.error()) == errc::cancelled ? 0 : fail(message_of(daemon.error()));
  auto& engine = **daemon;
  engine.on_failure([&end](const caf::error&) { end.fail(); });
  auto out = line_writer::start(options.out);
  out->add("podium is ready: " + engine.api_url() + ", kubectl --kubeconfig " + engine.kubeconfig_path()
           + " get pods");
  if (options.follow || !options.manifests.empty()) follow_pods(engine, out);
  if (options.ready) options.ready(engine);
  std::vector<object_key> applied;
  auto failed = apply_all(engine, options, end, *out, applied);
  auto code = failed && code_of(failed) != errc::cancelled ? fail(message_of(failed))
                                                           : finish(engine, end.wait(), applied, end, *out);
  daemon->reset();
  out->finish(output_limit);
  return code;
}

} // namespace podium
