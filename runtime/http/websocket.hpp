// The server side of a WebSocket connection (RFC 6455, no extensions) over any byte stream.
#pragma once
#include "runtime/http/byte_stream.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct wslay_event_context;

namespace podium {

/// The Sec-WebSocket-Accept that answers `key`.
std::string websocket_accept_key(std::string_view key);

/// The first protocol of the client's Sec-WebSocket-Protocol list that the server knows; empty when there is
/// none.
std::string choose_subprotocol(std::string_view offered, const std::vector<std::string_view>& known);

enum class websocket_opcode : uint8_t { text = 1, binary = 2 };

/// Loop thread only. Every call is safe after the connection died (it does nothing). Callbacks come from the
/// loop, never from inside a call. Pings are answered, and fragments joined, before anything is delivered.
/// Dropping the last reference closes with 1000, without on_close.
class websocket : public std::enable_shared_from_this<websocket> {
public:
  /// Speaks WebSocket on `stream`, whose handshake is done. `message_limit` bounds a message of the client,
  /// in bytes; a longer one ends the connection with 1009.
  static std::shared_ptr<websocket> make(std::shared_ptr<byte_stream> stream, uint32_t message_limit);
  ~websocket();
  websocket(const websocket&) = delete;
  websocket& operator=(const websocket&) = delete;

  /// A whole message. What came before this is set waits for it.
  void on_message(std::function<void(websocket_opcode, std::string_view)> f);
  /// Called exactly once, when the connection is over: the client's close code and reason, 1006 when it just
  /// vanished, or our own code when close() was called here first.
  void on_close(std::function<void(uint16_t code, std::string_view reason)> f);
  /// queued() fell under half the watermark after a send had answered false.
  void on_drain(std::function<void()> f);

  /// One message in one frame. False above the watermark: wait for on_drain.
  bool send_binary(std::string_view data) { return send(websocket_opcode::binary, data); }
  bool send_text(std::string_view data) { return send(websocket_opcode::text, data); }
  bool send(websocket_opcode opcode, std::string_view data);
  size_t queued() const;
  /// No on_message until resume_reading(). A little input is still read, so that pings are answered and a
  /// client that leaves is noticed; then the socket fills up.
  void pause_reading();
  void resume_reading();
  /// Sends the close frame behind all queued data and ends the connection. The client's messages are dropped
  /// from here.
  void close(uint16_t code = 1000, std::string_view reason = {});
  bool is_open() const { return !close_sent_ && stream_->is_open(); }
  /// Calls `f` from the loop, soon and outside of whatever runs now; dropped when the connection is gone.
  void defer(std::function<void()> f) { stream_->defer(std::move(f)); }

private:
  websocket(std::shared_ptr<byte_stream> stream, uint32_t message_limit);
  void start();
  struct message {
    websocket_opcode opcode;
    std::string data;
  };
  void receive(std::string_view data);
  void received(uint8_t opcode, std::string_view data, uint16_t status);
  void deliver();
  bool flush();
  void finish(uint16_t code, std::string_view reason);
  void closed();

  std::shared_ptr<byte_stream> stream_;
  wslay_event_context* context_ = nullptr;
  std::string_view input_; ///< what receive() is working on
  std::deque<message> inbox_;
  size_t inbox_bytes_ = 0;
  bool paused_ = false, stream_paused_ = false;
  bool close_sent_ = false, room_ = true;
  uint16_t code_ = 1006;
  std::string reason_;
  std::function<void(websocket_opcode, std::string_view)> on_message_;
  std::function<void(uint16_t, std::string_view)> on_close_;
};

} // namespace podium
