// A telemetry agent that embeds podium: its collectors are pods, and what happens to them is a typed stream
// of events.
//
//   collectors SETTINGS.yaml MANIFEST.yaml...
//
// Runs the pods of the manifests and prints a line whenever one of their containers changes. SIGINT or
// SIGTERM ends the collectors, then the agent; so does a manifest that cannot be applied.
#include "core/error.hpp"
#include "messages/pod.hpp"
#include "podium/engine.hpp"

#include <condition_variable>
#include <csignal>
#include <deque>
#include <iostream>
#include <map>
#include <mutex>
#include <thread>
#include <unistd.h>

namespace {

/// What a container does, in words: `state=running`, `state=terminated exit_code=3 reason=Error`.
std::string state_of(const podium::container_status& container) {
  auto& state = container.state;
  if (state.running) return "state=running";
  if (state.terminated)
    return "state=terminated exit_code=" + std::to_string(state.terminated->exit_code)
           + " reason=" + state.terminated->reason;
  return "state=waiting reason=" + (state.waiting ? state.waiting->reason : std::string{});
}

/// Prints the changes of containers, on a thread of its own: podium must not wait for a terminal or a disk.
class reporter {
public:
  reporter() : thread_([this] { run(); }) {}

  /// Prints what has come so far, and ends.
  ~reporter() {
    {
      std::lock_guard guard{mutex_};
      ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  reporter(const reporter&) = delete;
  reporter& operator=(const reporter&) = delete;

  /// Takes an event; beyond a limit the oldest is dropped. Each event holds the whole pod, so the next one of
  /// the same pod makes up for it.
  void take(const podium::watch_event& event) {
    {
      std::lock_guard guard{mutex_};
      if (events_.size() == max_events) events_.pop_front();
      events_.push_back(event);
    }
    changed_.notify_one();
  }

private:
  static constexpr size_t max_events = 10'000;

  void run() {
    std::unique_lock guard{mutex_};
    for (;;) {
      changed_.wait(guard, [this] { return ending_ || !events_.empty(); });
      if (events_.empty()) return;
      auto event = std::move(events_.front());
      events_.pop_front();
      guard.unlock();
      report(event);
      guard.lock();
    }
  }

  /// A pod's status is written as a whole: only what is new in it is worth a line.
  void report(const podium::watch_event& event) {
    auto& name = event.object->key().name;
    auto& known = last_[event.object->uid()];
    if (event.type == podium::watch_type::deleted) {
      last_.erase(event.object->uid());
      std::cout << "pod=" << name << " state=deleted" << std::endl;
      return;
    }
    for (auto& container : event.object->as_pod().status.container_statuses) {
      auto line = "pod=" + name + " container=" + container.name.value
                  + " restarts=" + std::to_string(container.restart_count) + " " + state_of(container);
      auto& before = known[container.name.value];
      if (before != line) std::cout << line << std::endl;
      before = line;
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<podium::watch_event> events_;
  bool ending_ = false;
  std::map<std::string, std::map<std::string, std::string>> last_; ///< by pod's uid and container
  std::thread thread_;                                             ///< the last member: it uses the others
};

/// Collectors get their pods' grace to end.
constexpr std::chrono::seconds removal_limit{60};

int fail(const caf::error& error) {
  std::cerr << "collectors: " << podium::message_of(error) << "\n";
  return 1;
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: collectors SETTINGS.yaml MANIFEST.yaml...\n";
    return 2;
  }
  // Before the first thread is started, so that the signals come to sigwait() and nowhere else.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  auto settings = podium::config::read_settings(argv[1]);
  if (!settings) return fail(settings.error());
  reporter lines; // before the engine, so that it outlives it
  auto engine = podium::engine::start(*settings);
  if (!engine) return fail(engine.error());
  auto& node = **engine;
  node.on_change("pods", [&lines](const podium::watch_event& event) { lines.take(event); });
  // An engine that cannot go on says so once; its containers run on for the next one to find.
  node.on_failure([](const caf::error&) { kill(getpid(), SIGTERM); });
  for (int i = 2; i < argc; ++i)
    if (auto applied = node.apply(argv[i]); !applied) {
      // Nothing of the file that failed is left; the files before it run.
      node.remove_all_pods(removal_limit);
      return fail(applied.error());
    }
  std::cout << "collectors run; look at them with kubectl --kubeconfig " << node.kubeconfig_path()
            << " get pods" << std::endl;

  int signal = 0;
  sigwait(&ends, &signal);
  if (auto error = node.failure()) return fail(error);
  // Without this the containers would run on, and the next start would find them again.
  return node.remove_all_pods(removal_limit) ? 0 : 1;
}
