#include "runtime/http/websocket_tunnel.hpp"

namespace podium {
namespace {

class websocket_tunnel final : public byte_stream {
public:
  explicit websocket_tunnel(std::shared_ptr<websocket> socket) : socket_(std::move(socket)) {}

  void on_data(std::function<void(std::string_view)> f) override {
    socket_->on_message([f = std::move(f)](websocket_opcode, std::string_view bytes) {
      if (!bytes.empty()) f(bytes);
    });
  }
  /// A WebSocket has no half that could end before the other.
  void on_end(std::function<void()>) override {}
  void on_drain(std::function<void()> f) override { socket_->on_drain(std::move(f)); }
  void on_close(std::function<void()> f) override {
    socket_->on_close([f = std::move(f)](uint16_t, std::string_view) { f(); });
  }
  /// The socket itself says goodbye (1001).
  void on_shutdown(std::function<void()>) override {}
  bool write(std::string bytes) override { return socket_->send_binary(bytes); }
  size_t queued() const override { return socket_->queued(); }
  void pause_reading() override { socket_->pause_reading(); }
  void resume_reading() override { socket_->resume_reading(); }
  void close() override { socket_->close(1000); }
  void abort() override { socket_->close(1011); }
  bool is_open() const override { return socket_->is_open(); }
  void defer(std::function<void()> f) override { socket_->defer(std::move(f)); }

private:
  const std::shared_ptr<websocket> socket_;
};

} // namespace

std::shared_ptr<byte_stream> make_websocket_tunnel(std::shared_ptr<websocket> socket) {
  return std::make_shared<websocket_tunnel>(std::move(socket));
}

} // namespace podium
