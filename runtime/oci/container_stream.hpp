// A live connection to a container: an exec, an attach, or its log. What the API's WebSockets and log
// requests are joined to.
#pragma once
#include <caf/expected.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace podium {

/// Called on the loop thread; any may be empty. After `ended`, and after close(), nothing is called any more.
struct stream_events {
  std::function<void(std::string_view)> out, err; ///< with a terminal everything is `out`
  /// The end, after all output: the command's exit code (0 for attach and logs), or why there is none.
  std::function<void(caf::expected<int>)> ended;
  /// What was written has been taken by the other side.
  std::function<void()> drained;
};

/// Loop thread only. Dropping the last reference closes it.
class container_stream {
public:
  virtual ~container_stream() = default;
  /// Bytes for stdin; ignored where there is none.
  virtual void write(std::string bytes) = 0;
  /// End of stdin, once what was written has been taken.
  virtual void finish_input() = 0;
  /// Bytes of write() that have not been taken: stop writing when it grows, go on at `drained`.
  virtual size_t queued_bytes() const = 0;
  /// Stops and resumes output: the program inside blocks meanwhile (a log is just not read).
  virtual void pause() = 0;
  virtual void resume() = 0;
  /// The terminal's size; nothing without one.
  virtual void resize(uint16_t columns, uint16_t rows) = 0;
  /// Ends it: an exec is killed with all it started, an attach lets go, a log is closed. Idempotent.
  virtual void close() = 0;
};

} // namespace podium
