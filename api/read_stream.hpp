// Where a log or a watch goes: the body of an answer, or the frames of a WebSocket. Internal to api/.
#pragma once
#include "api/call.hpp"

namespace podium::api {

/// How pieces become frames of a WebSocket.
enum class framing : uint8_t {
  bytes, ///< an empty frame first; binary frames, or text frames of base64 by subprotocol
         ///< base64.binary.k8s.io
  lines, ///< text frames, whatever the subprotocol
};

/// Loop thread only. Callbacks come from the loop, never from inside a call. Source: wsstream.Reader,
/// WatchServer.HandleWebSocket.
class read_stream : public std::enable_shared_from_this<read_stream> {
public:
  struct events {
    std::function<void()> on_gone; ///< the client left, or the stream has ended; may come twice
    std::function<void()> on_room; ///< after a write that said false
  };
  /// Nothing is sent before open(): the request can still be refused.
  static std::shared_ptr<read_stream> make(const call_ptr& c, events handlers);

  /// Begins: 101 for who asked for a WebSocket, else 200. False: refused, and answered.
  bool open(std::string_view content_type, framing form);
  /// One piece. False when the connection is full: wait for on_room.
  bool write(std::string_view piece);
  /// The same for a piece that many streams share.
  bool write(std::shared_ptr<const std::string> piece);
  /// Sends what is queued and ends.
  void end();

private:
  read_stream(const call_ptr& c, events handlers)
      : call_(c.get()), exchange_(c->exchange), events_(std::move(handlers)) {}
  bool open_socket(framing form);

  const call* const call_; ///< used by open() alone: whoever opens holds it
  const std::shared_ptr<http_exchange> exchange_;
  const events events_;
  std::shared_ptr<websocket> socket_;
  bool in_text_ = false, in_base64_ = false;
};

} // namespace podium::api
