#include "api/read_stream.hpp"

#include "api/base64.hpp"
#include "api/stream_upgrade.hpp"
#include "runtime/http/websocket.hpp"

namespace podium::api {
namespace {

constexpr std::string_view base64_protocol = "base64.binary.k8s.io";

} // namespace

std::shared_ptr<read_stream> read_stream::make(const call_ptr& c, events handlers) {
  std::shared_ptr<read_stream> out{new read_stream(c, std::move(handlers))};
  std::weak_ptr<read_stream> weak = out;
  c->exchange->on_close([weak] {
    // An exchange that became a WebSocket is over as well.
    if (auto self = weak.lock(); self && !self->socket_) self->events_.on_gone();
  });
  c->exchange->on_drain([weak] {
    if (auto self = weak.lock()) self->events_.on_room();
  });
  return out;
}

bool read_stream::open(std::string_view content_type, framing form) {
  if (call_->request().wants_upgrade("websocket")) return open_socket(form);
  exchange_->start_stream(200, content_type, call_->headers());
  return true;
}

bool read_stream::open_socket(framing form) {
  static const std::vector<std::string_view> known{"binary.k8s.io", base64_protocol};
  auto protocol = accept_channel_protocol(*call_, known);
  if (!protocol) return false;
  socket_ = exchange_->accept_websocket(*protocol);
  if (!socket_) return false;
  in_base64_ = form == framing::bytes && *protocol == base64_protocol;
  in_text_ = form == framing::lines || in_base64_;
  std::weak_ptr<read_stream> weak = weak_from_this();
  socket_->on_message([](websocket_opcode, std::string_view) {}); // clients have nothing to say
  socket_->on_close([weak](uint16_t, std::string_view) {
    if (auto self = weak.lock()) self->events_.on_gone();
  });
  socket_->on_drain([weak] {
    if (auto self = weak.lock()) self->events_.on_room();
  });
  if (form == framing::bytes) write(std::string_view{});
  return true;
}

bool read_stream::write(std::string_view piece) {
  if (!socket_) return exchange_->write_chunk(piece);
  auto opcode = in_text_ ? websocket_opcode::text : websocket_opcode::binary;
  return in_base64_ ? socket_->send(opcode, to_base64(piece, base64_form::standard))
                    : socket_->send(opcode, piece);
}

bool read_stream::write(std::shared_ptr<const std::string> piece) {
  return socket_ ? write(std::string_view{*piece}) : exchange_->write_chunk(std::move(piece));
}

void read_stream::end() {
  if (socket_)
    socket_->close(1000);
  else
    exchange_->end();
}

} // namespace podium::api
