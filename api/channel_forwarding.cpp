#include "api/port_forward.hpp"

#include <algorithm>

namespace podium::api {
namespace {

class channel_forwarding;

/// One port's two channels.
class channel_client : public forward_client {
public:
  channel_client(channel_forwarding& owner, size_t index) : owner_(owner), index_(index) {}
  bool send(std::string_view bytes) override;
  void finish(std::string_view error) override;
  void pause() override;
  void resume() override;

private:
  channel_forwarding& owner_;
  const size_t index_;
};

class channel_forwarding : public forwarding {
public:
  channel_forwarding(std::shared_ptr<server_state> state, std::string pod_uid,
                     std::shared_ptr<websocket> socket, channel_protocol protocol,
                     const std::vector<uint16_t>& numbers)
      : forwarding(std::move(state), std::move(pod_uid)), socket_(std::move(socket)), protocol_(protocol) {
    for (auto number : numbers)
      ports_.push_back({number, nullptr, false});
  }

  bool say(size_t channel, std::string_view bytes) {
    return socket_->send(protocol_.text ? websocket_opcode::text : websocket_opcode::binary,
                         channel_message(protocol_, static_cast<uint8_t>(channel), bytes));
  }
  /// The socket is one for all ports: the slowest holds the others up.
  void pause(size_t index, bool paused) {
    ports_[index].paused = paused;
    auto any = std::any_of(ports_.begin(), ports_.end(), [](auto& p) { return p.paused; });
    any ? socket_->pause_reading() : socket_->resume_reading();
  }

protected:
  void begin() override {
    auto weak = std::weak_ptr{std::static_pointer_cast<channel_forwarding>(shared_from_this())};
    socket_->on_close([weak](uint16_t, std::string_view) {
      if (auto self = weak.lock()) self->gone();
    });
    socket_->on_drain([weak] {
      auto self = weak.lock();
      if (!self) return;
      for (auto& p : self->ports_)
        if (p.connection) p.connection->room(true);
    });
    for (size_t i = 0; i < ports_.size(); ++i) {
      auto& p = ports_[i];
      std::string number{static_cast<char>(p.number), static_cast<char>(p.number >> 8)};
      say(2 * i, number);
      say(2 * i + 1, number);
      p.connection = std::make_shared<forwarded_port>(
          forward_target{pod_uid(), p.number}, std::make_unique<channel_client>(*this, i), false, [weak, i] {
            if (auto self = weak.lock()) self->over(i);
          });
      p.connection->start(ports());
    }
    socket_->on_message([weak](websocket_opcode, std::string_view message) {
      if (auto self = weak.lock()) self->received(message);
    });
  }
  void end() override { socket_->close(1001, "the pod has ended"); }

private:
  struct port {
    uint16_t number;
    std::shared_ptr<forwarded_port> connection; ///< null when it is over
    bool paused;
  };

  void received(std::string_view received) {
    std::string room;
    auto message = binary_message(protocol_, received, room).value_or("");
    if (message.size() < 2) return;
    auto channel = static_cast<uint8_t>(message.front());
    if (channel % 2 == 1 || channel / 2 >= ports_.size()) return; // nobody writes errors to us
    if (auto connection = ports_[channel / 2].connection) connection->write(message.substr(1));
  }
  void over(size_t index) {
    drop_later(std::move(ports_[index].connection));
    pause(index, false);
    if (std::none_of(ports_.begin(), ports_.end(), [](auto& p) { return p.connection != nullptr; }))
      socket_->close(1000);
  }
  void gone() {
    for (auto& p : ports_)
      drop_later(std::move(p.connection));
    leave();
  }

  const std::shared_ptr<websocket> socket_;
  const channel_protocol protocol_;
  std::vector<port> ports_;
};

bool channel_client::send(std::string_view bytes) {
  return owner_.say(2 * index_, bytes);
}

void channel_client::finish(std::string_view error) {
  if (!error.empty()) owner_.say(2 * index_ + 1, error);
}

void channel_client::pause() {
  owner_.pause(index_, true);
}

void channel_client::resume() {
  owner_.pause(index_, false);
}

} // namespace

std::shared_ptr<forwarding> make_channel_forwarding(std::shared_ptr<server_state> state, std::string pod_uid,
                                                    std::shared_ptr<websocket> socket,
                                                    channel_protocol protocol, std::vector<uint16_t> ports) {
  return std::make_shared<channel_forwarding>(std::move(state), std::move(pod_uid), std::move(socket),
                                              protocol, ports);
}

} // namespace podium::api
