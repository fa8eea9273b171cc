#include "runtime/http/websocket.hpp"

#include "runtime/http/call_guarded.hpp"
#include "runtime/http/message.hpp"

#include <algorithm>
#include <cstring>
#include <wslay/wslay.h>

namespace podium {
namespace {
constexpr size_t inbox_limit = 256 * 1024; ///< kept while the user does not want messages
constexpr size_t max_reason = 123;         ///< a control frame has room for 125 bytes, code included
constexpr uint16_t no_status = 1005;
} // namespace

std::string choose_subprotocol(std::string_view offered, const std::vector<std::string_view>& known) {
  for (auto& name : split_list(offered))
    if (std::find(known.begin(), known.end(), name) != known.end()) return name;
  return {};
}

websocket::websocket(std::shared_ptr<byte_stream> stream, uint32_t message_limit)
    : stream_(std::move(stream)) {
  wslay_event_callbacks callbacks{};
  callbacks.recv_callback = [](wslay_event_context_ptr context, uint8_t* buffer, size_t size, int,
                               void* user) {
    auto& input = static_cast<websocket*>(user)->input_;
    auto n = std::min(size, input.size());
    if (n == 0) {
      wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
      return ssize_t{-1};
    }
    std::memcpy(buffer, input.data(), n);
    input.remove_prefix(n);
    return static_cast<ssize_t>(n);
  };
  // Always takes everything: so wslay's own queue, which lets control frames overtake data, is always empty,
  // and a close frame goes out behind all data.
  callbacks.send_callback = [](wslay_event_context_ptr, const uint8_t* data, size_t size, int, void* user) {
    auto* self = static_cast<websocket*>(user);
    self->room_ = self->stream_->write(std::string{reinterpret_cast<const char*>(data), size});
    return static_cast<ssize_t>(size);
  };
  callbacks.on_msg_recv_callback = [](wslay_event_context_ptr, const wslay_event_on_msg_recv_arg* arg,
                                      void* user) {
    static_cast<websocket*>(user)->received(
        arg->opcode, {reinterpret_cast<const char*>(arg->msg), arg->msg_length}, arg->status_code);
  };
  wslay_event_context_server_init(&context_, &callbacks, this);
  wslay_event_config_set_max_recv_msg_length(context_, message_limit);
}

std::shared_ptr<websocket> websocket::make(std::shared_ptr<byte_stream> stream, uint32_t message_limit) {
  std::shared_ptr<websocket> result{new websocket(std::move(stream), message_limit)};
  result->start();
  return result;
}

void websocket::start() {
  auto weak = weak_from_this();
  stream_->on_data([weak](std::string_view data) {
    if (auto self = weak.lock()) self->receive(data);
  });
  stream_->on_close([weak] {
    if (auto self = weak.lock()) self->closed();
  });
  stream_->on_shutdown([weak] {
    if (auto self = weak.lock()) self->close(1001, "the server is stopping");
  });
}

websocket::~websocket() {
  close();
  wslay_event_context_free(context_);
}

void websocket::on_message(std::function<void(websocket_opcode, std::string_view)> f) {
  on_message_ = std::move(f);
  stream_->defer([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->deliver();
  });
}

void websocket::on_close(std::function<void(uint16_t, std::string_view)> f) {
  on_close_ = std::move(f);
}

void websocket::on_drain(std::function<void()> f) {
  stream_->on_drain(std::move(f));
}

void websocket::receive(std::string_view data) {
  if (close_sent_) return;
  input_ = data;
  auto rc = wslay_event_recv(context_);
  input_ = {};
  if (rc != 0 || !flush()) return stream_->abort();
  // A broken rule (no mask, bad UTF-8, too long): wslay has queued the close frame and it is out now.
  if (!close_sent_ && wslay_event_get_close_sent(context_))
    finish(wslay_event_get_status_code_sent(context_), "protocol error");
}

void websocket::received(uint8_t opcode, std::string_view data, uint16_t status) {
  if (close_sent_) return;
  if (opcode == WSLAY_CONNECTION_CLOSE) {
    flush(); // the echo
    return finish(status ? status : no_status, data.size() > 2 ? data.substr(2) : std::string_view{});
  }
  if (opcode != WSLAY_TEXT_FRAME && opcode != WSLAY_BINARY_FRAME) return; // wslay answers pings itself
  auto kind = static_cast<websocket_opcode>(opcode);
  if (!paused_ && inbox_.empty() && on_message_) return call_guarded(on_message_, kind, data);
  inbox_.push_back({kind, std::string{data}});
  inbox_bytes_ += data.size() + sizeof(message);
  if (inbox_bytes_ > inbox_limit && !stream_paused_) {
    stream_paused_ = true;
    stream_->pause_reading();
  }
}

void websocket::deliver() {
  while (!paused_ && !close_sent_ && !inbox_.empty() && on_message_) {
    auto next = std::move(inbox_.front());
    inbox_.pop_front();
    inbox_bytes_ -= next.data.size() + sizeof(message);
    call_guarded(on_message_, next.opcode, std::string_view{next.data});
  }
  if (inbox_.empty() && stream_paused_) {
    stream_paused_ = false;
    stream_->resume_reading();
  }
}

bool websocket::send(websocket_opcode opcode, std::string_view data) {
  if (!is_open()) return false;
  wslay_event_msg frame{static_cast<uint8_t>(opcode), reinterpret_cast<const uint8_t*>(data.data()),
                        data.size()};
  if (wslay_event_queue_msg(context_, &frame) != 0 || !flush()) {
    stream_->abort();
    return false;
  }
  return room_;
}

size_t websocket::queued() const {
  return stream_->queued();
}

void websocket::pause_reading() {
  paused_ = true;
}

void websocket::resume_reading() {
  if (!std::exchange(paused_, false)) return;
  stream_->defer([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->deliver();
  });
}

bool websocket::flush() {
  return wslay_event_send(context_) == 0;
}

void websocket::close(uint16_t code, std::string_view reason) {
  if (!is_open()) return;
  reason = reason.substr(0, max_reason);
  wslay_event_queue_close(context_, code, reinterpret_cast<const uint8_t*>(reason.data()), reason.size());
  flush();
  finish(code, reason);
}

/// The close frame is out: nothing more is sent or delivered.
void websocket::finish(uint16_t code, std::string_view reason) {
  code_ = code;
  reason_ = std::string{reason};
  close_sent_ = true;
  inbox_.clear();
  stream_->close();
}

void websocket::closed() {
  close_sent_ = true;
  on_message_ = nullptr;
  if (auto f = std::exchange(on_close_, {})) f(code_, reason_);
}

} // namespace podium
