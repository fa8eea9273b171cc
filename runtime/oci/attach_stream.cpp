#include "runtime/oci/attach_stream.hpp"

#include "core/error.hpp"
#include "runtime/oci/unix_socket.hpp"
#include "runtime/process/fd_stream.hpp"
#include <fcntl.h>

namespace podium {
namespace {

/// conmon reads a packet of at most this size.
constexpr size_t packet_bytes = 8192;
/// The first byte of each packet from conmon.
constexpr char from_stdout = 2, from_stderr = 3;

class attach_stream final : public container_stream, public std::enable_shared_from_this<attach_stream> {
public:
  attach_stream(event_loop& loop, running_container container, bool input, stream_events events)
      : loop_(loop), container_(std::move(container)), input_(input), events_(std::move(events)) {}

  void start(unique_fd socket) {
    socket_ = std::make_unique<fd_stream>(loop_, std::move(socket), fd_stream::kind::socket);
    socket_->on_drain([weak = weak_from_this()] {
      if (auto s = weak.lock(); s && s->events_.drained) s->events_.drained();
    });
    socket_->read(
        [weak = weak_from_this()](std::string_view packet) {
          if (auto s = weak.lock()) s->received(packet);
        },
        [weak = weak_from_this()] {
          auto s = weak.lock();
          if (!s) return;
          auto ended = std::move(s->events_.ended);
          s->close();
          if (ended) ended(0);
        });
  }

  void write(std::string bytes) override {
    if (!input_ || !socket_) return;
    for (size_t at = 0; at < bytes.size(); at += packet_bytes)
      socket_->write(bytes.substr(at, packet_bytes));
  }
  void finish_input() override {
    if (input_ && socket_) socket_->finish_writing();
  }
  size_t queued_bytes() const override { return socket_ ? socket_->queued_bytes() : 0; }
  void pause() override {
    if (socket_) socket_->pause();
  }
  void resume() override {
    if (socket_) socket_->resume();
  }
  void resize(uint16_t columns, uint16_t rows) override {
    if (!container_.tty) return;
    unique_fd control{
        ::open((container_.directory + "/ctl").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW)};
    if (!control) return;
    // Type 1: window size, rows before columns.
    auto line = "1 " + std::to_string(rows) + " " + std::to_string(columns) + "\n";
    [[maybe_unused]] auto n = ::write(control.get(), line.data(), line.size());
  }
  void close() override {
    events_ = {};
    socket_.reset();
  }

private:
  void received(std::string_view packet) {
    if (packet.empty()) return;
    auto sink = packet[0] == from_stdout ? events_.out : packet[0] == from_stderr ? events_.err : nullptr;
    if (sink) sink(packet.substr(1));
  }

  event_loop& loop_;
  running_container container_;
  bool input_;
  stream_events events_;
  std::unique_ptr<fd_stream> socket_;
};

} // namespace

container_streams::stream start_attach_stream(oci_runtime& runtime, const running_container& container,
                                              const attach_request& request, stream_events events) {
  auto socket = connect_packets(container.directory + "/attach");
  if (!socket) return socket.error();
  auto stream = std::make_shared<attach_stream>(runtime.loop(), container, request.stdin_ && container.stdin_,
                                                std::move(events));
  stream->start(std::move(*socket));
  return std::shared_ptr<container_stream>{stream};
}

} // namespace podium
