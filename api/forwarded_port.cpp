#include "api/forwarded_port.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <charconv>

namespace podium::api {

forwarded_port::forwarded_port(forward_target target, std::unique_ptr<forward_client> client, bool half_close,
                               std::function<void()> over)
    : target_(std::move(target)), client_(std::move(client)), half_close_(half_close),
      over_(std::move(over)) {}

void forwarded_port::start(pod_ports& ports) {
  client_->pause();
  auto with_self = [weak = weak_from_this()](auto f) {
    return [weak, f](auto... xs) {
      if (auto self = weak.lock()) f(*self, xs...);
    };
  };
  port_events events;
  events.on_open = with_self([](auto& self, const caf::error& err) { self.opened(err); });
  events.on_data = with_self([](auto& self, std::string_view bytes) {
    if (!self.client_->send(bytes) && self.connection_) self.connection_->pause();
  });
  events.on_drain = with_self([](auto& self) { self.client_->resume(); });
  events.on_end = with_self([](auto& self) { self.port_ended(); });
  connection_ = ports.connect(target_.pod_uid, target_.port, std::move(events));
}

void forwarded_port::opened(const caf::error& err) {
  if (!err) return client_->resume();
  port_ended_ = client_ended_ = true;
  client_->finish("error forwarding port " + std::to_string(target_.port) + " to pod " + target_.pod_uid
                  + ", uid : " + message_of(err));
  client_->resume(); // what it still sends is dropped
  check_over();
}

void forwarded_port::write(std::string_view bytes) {
  if (connection_ && !client_ended_ && !connection_->write(bytes)) client_->pause();
}

void forwarded_port::finish_writing() {
  if (std::exchange(client_ended_, true)) return;
  if (connection_) connection_->finish_writing();
  check_over();
}

void forwarded_port::abort() {
  port_ended_ = client_ended_ = true;
  check_over();
}

void forwarded_port::room(bool there) {
  if (connection_) there ? connection_->resume() : connection_->pause();
}

void forwarded_port::port_ended() {
  if (std::exchange(port_ended_, true)) return;
  client_->finish({});
  if (!half_close_) client_ended_ = true;
  check_over();
}

void forwarded_port::check_over() {
  if (!port_ended_ || !client_ended_) return;
  if (auto f = std::exchange(over_, {})) f();
}

parsed_port parse_port(std::string_view text) {
  auto quoted = "\"" + std::string{text} + "\"";
  auto digits =
      !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  auto unreadable = [&](std::string_view why) {
    return parsed_port{0, "unable to parse " + quoted + " as a port: strconv.ParseUint: parsing " + quoted
                              + ": " + std::string{why}};
  };
  if (!digits) return unreadable("invalid syntax");
  unsigned long number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc{} || number > 65535) return unreadable("value out of range");
  if (number == 0) return {0, "port " + quoted + " must be > 0"};
  return {static_cast<uint16_t>(number), {}};
}

} // namespace podium::api
