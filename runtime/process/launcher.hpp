// Owns every child process of the daemon: spawns them, notices each exit by pidfd, reaps what it adopted, and
// runs short commands with captured output, a deadline and the certainty that nothing of them is left behind.
#pragma once
#include "runtime/loop/event_loop.hpp"
#include "runtime/process/spawn.hpp"
#include <chrono>
#include <functional>
#include <memory>

namespace podium {

struct exit_status {
  int code = 0;   ///< as exit(3) got it
  int signal = 0; ///< the signal that ended the process, or 0
  /// The number a shell and Kubernetes show: the code, or 128 + signal.
  int shell_code() const { return signal != 0 ? 128 + signal : code; }
};

/// A command to run to its end.
struct command {
  spawn_request process;               ///< its stdin, stdout and stderr are set by the launcher
  std::string input;                   ///< given on stdin; empty: /dev/null
  std::chrono::nanoseconds timeout{0}; ///< 0: none. Afterwards the whole tree is killed
  size_t output_limit_bytes = 1 << 20; ///< kept of each stream; the rest is read and dropped
  std::chrono::nanoseconds linger{
      std::chrono::milliseconds{500}}; ///< wait for a pipe that a grandchild holds after the exit
  /// Asked when the time is up, on a thread of its own: more processes that may belong to the command (see
  /// kill_tree). It may use nothing that ends before the launcher.
  std::function<std::vector<pid_t>()> suspects;
};

struct command_result {
  exit_status status;
  std::string out, err;
  bool timed_out = false;
  bool truncated = false; ///< a stream was longer than the limit
};

/// All calls on the loop thread, but for construction and destruction, which any thread but the loop's may
/// do. Destroy it before the loop is stopped.
class launcher {
public:
  /// Makes this process the reaper of orphans below it (PR_SET_CHILD_SUBREAPER). One launcher a process.
  explicit launcher(event_loop& loop);
  /// Kills commands that still run; processes from spawn() are left alone.
  ~launcher();
  launcher(const launcher&) = delete;
  launcher& operator=(const launcher&) = delete;

  /// Starts a process; `on_exit` is called once it has ended. The child is not killed with the launcher.
  caf::expected<pid_t> spawn(const spawn_request& request, std::function<void(exit_status)> on_exit);
  /// Runs a command: `done` is called after its exit and the end of its output. Returns an id for cancel().
  uint64_t run(command what, std::function<void(caf::expected<command_result>)> done);
  /// What a running command has written so far, to files and pipes; 0 for one that is unknown or has ended.
  int64_t written_bytes(uint64_t id) const;
  /// Kills a running command's tree; `done` is still called.
  void cancel(uint64_t id);
  /// Kills the tree of a child that has not been reported as ended; `suspects` as in a command. Beside the
  /// loop, which goes on: the look at each of a container's processes takes its time. The child's end is told
  /// after it.
  void kill(pid_t child, std::function<std::vector<pid_t>()> suspects);

  /// Calls `ended` when a process that need not be a child has ended; at once (from the loop) when it has
  /// already. `start_ticks` guards against a reused pid; 0 accepts any. Returns an id for unwatch().
  uint64_t watch_pid(pid_t pid, uint64_t start_ticks, std::function<void()> ended);
  void unwatch(uint64_t id);

  /// Children that have not been reaped, for leak checks.
  size_t children() const;
  event_loop& loop();

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace podium
