#include "runtime/oci/attach_stream.hpp"

#include "core/error.hpp"
#include "runtime/oci/unix_socket.hpp"
#include "runtime/process/fd_stream.hpp"
#include <fcntl.h>
#include <sys/ioctl.h>

namespace podium {
namespace {

/// conmon reads a packet of at most this size.
constexpr size_t packet_bytes = 8192;
/// The first byte of each packet from conmon.
constexpr char from_stdout = 2, from_stderr = 3;
/// Between two sizes of the terminal.
constexpr auto size_pause = std::chrono::milliseconds{20};

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
    // Type 1: window size, rows before columns.
    size_ = "1 " + std::to_string(rows) + " " + std::to_string(columns) + "\n";
    send_size();
  }
  void close() override {
    events_ = {};
    if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
    socket_.reset();
  }

private:
  /// Of several lines that conmon finds at a time it takes the first for all (2.1.6), and kubectl sends two
  /// sizes at once: each goes out when the one before was read, and only the last of those that waited.
  void send_size() {
    if (timer_ != 0 || size_.empty()) return;
    unique_fd control{
        ::open((container_.directory + "/ctl").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW)};
    if (!control) return;
    int unread = 0;
    if (::ioctl(control.get(), FIONREAD, &unread) == 0 && unread == 0) {
      [[maybe_unused]] auto n = ::write(control.get(), size_.data(), size_.size());
      size_.clear();
    }
    timer_ = loop_.after(size_pause, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (!self) return;
      self->timer_ = 0;
      self->send_size();
    });
  }
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
  std::string size_; ///< waits to be told to conmon
  uint64_t timer_ = 0;
};

} // namespace

container_streams::stream start_attach_stream(oci_runtime& runtime, const running_container& container,
                                              const attach_request& request, stream_events events) {
  auto socket = connect_packets(container.directory + "/attach");
  // Whoever may attach need not know where on the host that would be.
  if (!socket)
    return code_of(socket.error()) == errc::not_found
               ? make_error(errc::bad_request, "container " + container.key.name + " is not running")
               : make_error(errc::io,
                            "the streams of container " + container.key.name + " cannot be reached");
  auto stream = std::make_shared<attach_stream>(runtime.loop(), container, request.stdin_ && container.stdin_,
                                                std::move(events));
  stream->start(std::move(*socket));
  return std::shared_ptr<container_stream>{stream};
}

} // namespace podium
