// A pipe, a terminal or a packet socket on the event loop: read with back-pressure, write with a queue one
// can ask about.
#pragma once
#include "runtime/loop/event_loop.hpp"
#include "runtime/process/unique_fd.hpp"
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace podium {

/// All calls on the loop thread. The object may die in any of its own callbacks.
class fd_stream {
public:
  enum class kind {
    pipe,   ///< one direction; finish_writing() closes it
    socket, ///< both directions; finish_writing() shuts down the sending half only
  };
  /// Takes the descriptor over. On a SOCK_SEQPACKET socket each call of the reader is one packet, each
  /// write() one.
  fd_stream(event_loop& loop, unique_fd fd, kind k = kind::pipe);
  ~fd_stream();
  fd_stream(const fd_stream&) = delete;
  fd_stream& operator=(const fd_stream&) = delete;

  /// Starts reading. `data` gets at most 64 KiB at a time; `end` is called once, at end of file or on an
  /// error.
  void read(std::function<void(std::string_view)> data, std::function<void()> end);
  /// Stops and resumes reading: what the peer writes meanwhile stays with the kernel, and then with the peer.
  void pause();
  void resume();

  /// Queues bytes; dropped after close(), finish_writing() or when the peer has gone.
  void write(std::string bytes);
  /// Bytes given to write() that the kernel has not yet taken.
  size_t queued_bytes() const;
  /// Called whenever the queue has become empty, and when the peer refuses to read on.
  void on_drain(std::function<void()> f);
  /// Ends writing once the queue is empty.
  void finish_writing();
  /// Ends both directions at once; no callback follows. Idempotent.
  void close();
  bool closed() const { return state_ == nullptr; }

private:
  struct state;
  void pump();
  state* state_;
};

} // namespace podium
