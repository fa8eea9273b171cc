// HTTP/1.1 server on the event loop: TCP and unix sockets, TLS, streams, WebSocket and other upgrades.
#pragma once
#include "runtime/http/exchange.hpp"
#include "runtime/http/tls.hpp"
#include "runtime/loop/event_loop.hpp"

#include <caf/expected.hpp>

namespace podium {

/// Called on the loop thread for each complete request. It must not block; it may answer at once or later.
using http_handler = std::function<void(std::shared_ptr<http_exchange>)>;

/// What a gate says about a request whose headers are there and whose body is not.
struct gate_verdict {
  int status = 0; ///< 0: go on; else this answer is sent and the connection closed
  std::string content_type;
  std::string body;
  uint64_t body_bytes = 0;    ///< limit for this request's body; 0: http_limits::body_bytes
  std::shared_ptr<void> note; ///< becomes http_request::note
};

/// Called on the loop thread when the headers of a request are there.
using http_gate = std::function<gate_verdict(const http_request&)>;

/// The body of an answer that the server gives by itself: malformed, too large, too late, too many.
struct http_page {
  std::string content_type, body;
};
/// Words such an answer; `text` says why, in one line. Called on the loop thread.
using http_refusal = std::function<http_page(int status, std::string_view text)>;

struct http_stats {
  uint64_t accepted = 0, refused = 0, requests = 0;
  uint64_t timeouts = 0; ///< connections closed by a deadline
  uint64_t stalled = 0;  ///< readers dropped because they took nothing
  uint64_t overrun = 0;  ///< connections dropped at max_queued_bytes or total_queued_bytes
  size_t connections = 0, upgrades = 0;
};

namespace http_detail {
class server_core;
}

class http_server {
public:
  http_server(event_loop& loop, http_handler handler, http_limits limits = {});
  /// Stops and waits until all is closed and the last callback has run, http_limits::stop_grace at most. On
  /// the loop thread it cannot wait: callbacks may come until the loop has ended. The loop must still exist.
  ~http_server();
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  /// Set before the first listen call.
  void set_gate(http_gate gate);
  /// Set before the first listen call; plain text without it.
  void set_refusal(http_refusal refusal);
  /// Listens on an address literal; port 0 picks one. Returns the port. From any thread.
  caf::expected<uint16_t> listen_tcp(const std::string& ip, uint16_t port,
                                     std::shared_ptr<tls_context> tls = nullptr);
  /// Listens on a unix socket with the given mode; a socket file that nobody serves any more is replaced.
  caf::error listen_unix(const std::string& path, unsigned mode = 0600);
  /// Ends streams, closes websockets, refuses new connections, closes all handles; `done` runs on the loop
  /// thread. Idempotent, from any thread. Also runs when the loop ends.
  void stop(std::function<void()> done = {});
  /// From any thread; waits for the loop.
  http_stats stats() const;

private:
  event_loop& loop_;
  std::shared_ptr<http_detail::server_core> core_;
};

} // namespace podium
