// A two-way byte connection with back-pressure: what an upgraded HTTP connection becomes.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace podium {

/// Loop thread only. Every call is safe after the connection died (it does nothing). Callbacks come from the
/// loop, never from inside a call. Dropping the last reference closes the connection gracefully.
class byte_stream {
public:
  virtual ~byte_stream() = default;
  /// Bytes that arrived. What came before this is set waits for it.
  virtual void on_data(std::function<void(std::string_view)> f) = 0;
  /// The peer will send nothing more (it may still read). Unset, the stream is closed then.
  virtual void on_end(std::function<void()> f) = 0;
  /// Called when queued() fell under half the watermark after write() had answered false.
  virtual void on_drain(std::function<void()> f) = 0;
  /// Called exactly once: the connection is gone, whoever ended it.
  virtual void on_close(std::function<void()> f) = 0;
  /// The server is being stopped: say goodbye and close(). Unset, the stream is closed.
  virtual void on_shutdown(std::function<void()> f) = 0;
  /// Queues `bytes`; false when the watermark is passed: wait for on_drain. A producer that does not wait is
  /// disconnected at http_limits::max_queued_bytes.
  virtual bool write(std::string bytes) = 0;
  /// Bytes the kernel has not taken yet.
  virtual size_t queued() const = 0;
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  /// Sends what is queued and closes. Nothing is delivered any more but on_close.
  virtual void close() = 0;
  /// Closes at once.
  virtual void abort() = 0;
  virtual bool is_open() const = 0;
  /// Calls `f` from the loop, soon and outside of whatever runs now; dropped when the connection is gone.
  virtual void defer(std::function<void()> f) = 0;
};

} // namespace podium
