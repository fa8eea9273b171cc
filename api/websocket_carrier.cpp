#include "api/session_carrier.hpp"

namespace podium::api {
namespace {

class websocket_carrier : public session_carrier, public std::enable_shared_from_this<websocket_carrier> {
public:
  explicit websocket_carrier(std::shared_ptr<websocket> socket) : socket_(std::move(socket)) {}

  void start(carrier_events events) override {
    events_ = std::move(events);
    std::weak_ptr<websocket_carrier> weak = weak_from_this();
    socket_->on_close([weak](uint16_t, std::string_view) {
      if (auto self = weak.lock()) self->events_.on_gone();
    });
    socket_->on_drain([weak] {
      if (auto self = weak.lock()) self->events_.on_room(true);
    });
    events_.on_ready();
    socket_->on_message([weak](websocket_opcode, std::string_view message) {
      if (auto self = weak.lock()) self->received(message);
    });
  }
  bool send(channel to, std::string_view bytes) override {
    std::string frame(1, static_cast<char>(to));
    frame += bytes;
    return socket_->send_binary(frame);
  }
  void finish(const session_end& end) override {
    send(channel::status, session_status(end));
    socket_->close(1000);
  }
  void pause_input() override { socket_->pause_reading(); }
  void resume_input() override { socket_->resume_reading(); }

private:
  /// Text frames carry the channel as their first character, binary ones as their first byte: the same.
  void received(std::string_view message) {
    auto frame = parse_frame(message);
    if (!frame) return;
    switch (frame->to) {
    case channel::stdin_:
      if (!frame->data.empty()) events_.on_stdin(frame->data);
      return;
    case channel::resize:
      if (auto size = parse_resize(frame->data)) events_.on_resize(*size);
      return;
    case channel::close:
      if (frame->data == std::string_view{"\0", 1}) events_.on_stdin_end();
      return;
    default:
      return;
    }
  }

  const std::shared_ptr<websocket> socket_;
  carrier_events events_;
};

} // namespace

std::shared_ptr<session_carrier> make_websocket_carrier(std::shared_ptr<websocket> socket) {
  return std::make_shared<websocket_carrier>(std::move(socket));
}

} // namespace podium::api
