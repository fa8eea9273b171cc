#include "api/session_carrier.hpp"

namespace podium::api {
namespace {

class websocket_carrier : public session_carrier, public std::enable_shared_from_this<websocket_carrier> {
public:
  websocket_carrier(std::shared_ptr<websocket> socket, channel_protocol protocol)
      : socket_(std::move(socket)), protocol_(protocol) {}

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
    return socket_->send(protocol_.text ? websocket_opcode::text : websocket_opcode::binary,
                         channel_message(protocol_, static_cast<uint8_t>(to), bytes));
  }
  void finish(const session_end& end) override {
    auto last = protocol_.has_status ? session_status(end) : session_failure(end);
    if (!last.empty()) send(channel::status, last);
    socket_->close(1000);
  }
  void pause_input() override { socket_->pause_reading(); }
  void resume_input() override { socket_->resume_reading(); }

private:
  /// Without base64, text frames carry the channel as their first character, binary ones as their first byte:
  /// the same.
  void received(std::string_view message) {
    std::string room;
    auto plain = binary_message(protocol_, message, room);
    auto frame = plain ? parse_frame(*plain) : std::nullopt;
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
  const channel_protocol protocol_;
  carrier_events events_;
};

} // namespace

const std::vector<std::string_view>& websocket_session_protocols() {
  static const std::vector<std::string_view> names{"v5.channel.k8s.io", "v4.channel.k8s.io",
                                                   "v4.base64.channel.k8s.io", "channel.k8s.io",
                                                   "base64.channel.k8s.io"};
  return names;
}

std::shared_ptr<session_carrier> make_websocket_carrier(std::shared_ptr<websocket> socket,
                                                        channel_protocol protocol) {
  return std::make_shared<websocket_carrier>(std::move(socket), protocol);
}

} // namespace podium::api
