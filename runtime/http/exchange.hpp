// One request and its answer.
#pragma once
#include "runtime/http/byte_stream.hpp"
#include "runtime/http/message.hpp"

#include <functional>
#include <memory>

namespace podium {

class websocket;
namespace http_detail {
class http_session;
}

/// Given to the handler; keep it as long as the answer is not complete. Loop thread only. Every call is safe
/// after the connection died (it does nothing; is_open() is false). Callbacks come from the loop, never from
/// inside a call. Dropping the last reference (on the loop thread, too) before an answer sends a 500;
/// dropping a stream before end() breaks the connection.
class http_exchange : public std::enable_shared_from_this<http_exchange> {
public:
  http_exchange(http_detail::http_session* session, http_request request)
      : session_(session), request_(std::move(request)) {}
  ~http_exchange();
  http_exchange(const http_exchange&) = delete;
  http_exchange& operator=(const http_exchange&) = delete;

  const http_request& request() const { return request_; }
  http_request& request() { return request_; }
  /// The client is there and the answer is not complete.
  bool is_open() const { return session_ != nullptr; }

  /// Sends a whole answer and ends the exchange. Content-Length and Date are added; no body goes out for
  /// HEAD, 204, 304.
  void respond(int status, std::string_view content_type, std::string body, const header_list& headers = {});
  /// The same with a body that many answers share.
  void respond(int status, std::string_view content_type, std::shared_ptr<const std::string> body,
               const header_list& headers = {});

  /// Sends the headers at once; the body follows by write_chunk() until end(). Chunked for HTTP/1.1.
  void start_stream(int status, std::string_view content_type, const header_list& headers = {});
  /// Queues a piece of the body. False above the watermark (http_limits::watermark_bytes): wait for on_drain.
  /// A producer that does not wait is disconnected at max_queued_bytes.
  bool write_chunk(std::string_view bytes);
  /// The same for bytes that many streams share.
  bool write_chunk(std::shared_ptr<const std::string> bytes);
  /// Called when queued() fell under half the watermark after write_chunk() had answered false.
  void on_drain(std::function<void()> f) { on_drain_ = std::move(f); }
  /// Bytes of this connection that the kernel has not taken yet.
  size_t queued() const;
  /// Completes a streamed body.
  void end();
  /// Breaks the connection, so that the client sees an incomplete answer.
  void abort();
  /// Called exactly once, when the peer went away or the exchange ended (also by the calls here, but later).
  void on_close(std::function<void()> f);

  /// Answers 101 to a WebSocket handshake; an empty `subprotocol` leaves that header out. Null when the
  /// request is no good handshake or too many upgrades are open: the refusal has been sent then.
  std::shared_ptr<websocket> accept_websocket(std::string_view subprotocol);
  /// Answers 101 with `Upgrade: <protocol>` and hands the bytes over. Null as above.
  std::shared_ptr<byte_stream> accept_upgrade(std::string_view protocol, const header_list& headers = {});

private:
  friend class http_detail::http_session;
  http_detail::http_session* session_;
  http_request request_;
  std::function<void()> on_close_, on_drain_;
};

} // namespace podium
