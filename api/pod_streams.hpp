// What the API needs of running containers: their logs, commands run in them, their terminals. Implemented
// over the container runtime; an API server without a node of its own has none.
#pragma once
#include "core/time.hpp"

#include <caf/error.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podium::api {

/// A container of a pod, as a request names it; commands and terminals are its newest instance's.
struct container_target {
  std::string pod_uid, pod_namespace, pod_name, container;
};

struct log_options {
  bool follow = false, previous = false, timestamps = false;
  std::optional<int64_t> tail_lines, limit_bytes;
  std::optional<wall_time> since; ///< older lines are left out
  std::string container_id;       ///< the instance that is meant, as the pod's status shows it
};

/// How a log is delivered. All calls come on the loop thread, never from inside open_log().
struct log_events {
  /// The log is there; lines follow. Or it cannot be read: then nothing else is called.
  std::function<void(const caf::error&)> on_open;
  /// Whole lines, or the piece of a line that limit_bytes leaves.
  std::function<void(std::string_view)> on_data;
  /// Nothing more comes: the log was read, or the followed container has ended.
  std::function<void()> on_end;
};

/// A log being read. Loop thread only; dropping it ends the reading, and nothing is called any more.
class log_reading {
public:
  virtual ~log_reading() = default;
  virtual void pause() = 0;
  virtual void resume() = 0;
};

struct exec_options {
  std::vector<std::string> command; ///< empty for attach
  bool stdin_ = false, stdout_ = false, stderr_ = false, tty = false;
};

/// How a command ended.
struct session_end {
  int exit_code = 0;
  caf::error error; ///< it could not be started, or its end was lost
};

/// All calls come on the loop thread, never from inside exec() or attach().
struct session_events {
  /// Output of the command; `channel` is 1 for stdout and 2 for stderr.
  std::function<void(int channel, std::string_view)> on_output;
  /// Room for input again after write_stdin() had answered false.
  std::function<void()> on_drain;
  /// Called once, after all output.
  std::function<void(const session_end&)> on_end;
};

/// A command that runs, or a terminal that is attached. Loop thread only; dropping it ends the command (exec)
/// or detaches.
class pod_session {
public:
  virtual ~pod_session() = default;
  /// False: the pipe is full, wait for on_drain.
  virtual bool write_stdin(std::string_view bytes) = 0;
  virtual void close_stdin() = 0;
  virtual void resize(uint16_t width, uint16_t height) = 0;
  virtual void pause_output() = 0;
  virtual void resume_output() = 0;
};

/// Loop thread only.
class pod_streams {
public:
  virtual ~pod_streams() = default;
  virtual std::unique_ptr<log_reading> open_log(const container_target& target, const log_options& options,
                                                log_events events) = 0;
  virtual std::unique_ptr<pod_session> exec(const container_target& target, const exec_options& options,
                                            session_events events) = 0;
  virtual std::unique_ptr<pod_session> attach(const container_target& target, const exec_options& options,
                                              session_events events) = 0;
};

} // namespace podium::api
