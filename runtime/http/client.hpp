// HTTP client on the event loop: libcurl's multi interface over uv_poll and one timer. For probes,
// registries, clusters.
#pragma once
#include "runtime/http/message.hpp"
#include "runtime/loop/event_loop.hpp"
#include "runtime/process/unique_fd.hpp"

#include <caf/error.hpp>
#include <caf/expected.hpp>
#include <functional>
#include <memory>
#include <string>

namespace podium {

struct http_fetch {
  std::string method = "GET";
  std::string url = {};     ///< http or https
  header_list headers = {}; ///< all that are sent, but for what HTTP itself demands
  std::string body = {};
  std::chrono::milliseconds timeout{30'000}; ///< for everything together; 0: none (watches)
  size_t max_body_bytes = 16 * 1024 * 1024;
  size_t max_header_bytes = 256 * 1024; ///< trailers included; more is errc::too_large
  /// A longer body is cut there and the answer is good; otherwise it is errc::too_large.
  bool cut_body = false;
  /// An answer whose body ends too early or too late is given, with the reason in `broken`.
  bool keep_broken_body = false;
  bool verify = true;      ///< check the server's certificate and name
  std::string ca_pem = {}; ///< trusted instead of the system's CAs
  std::string client_certificate_pem = {}, client_key_pem = {};
  bool fresh = false;           ///< a connection of its own, closed afterwards: for probes
  bool http2 = false;           ///< HTTP/2 from the first byte on, also without TLS: what gRPC speaks
  std::string unix_socket = {}; ///< connect here instead of to the URL's host
  std::shared_ptr<unique_fd> connected = {}; ///< a socket to take in place of a connection of its own
  std::string resolve_to = {};               ///< connect to this address instead of looking the URL's host up
  unsigned redirects = 0;                    ///< how many are followed
  /// Instead of collecting the body: called with each piece, on the loop thread. max_body_bytes does not
  /// count then.
  std::function<void(std::string_view)> on_data = {};
};

struct http_reply {
  int status = 0;
  http_headers headers; ///< and behind them the trailers
  std::string body;
  bool cut = false;         ///< the body was longer than max_body_bytes
  caf::error broken;        ///< why the body is not whole: errc::timeout or errc::io
  std::string redirect_url; ///< absolute, when the answer was a redirect that was not followed
};

/// Proxies and .netrc are never used. From the loop thread only, but construction and destruction.
class http_client {
public:
  /// errc::timeout when the deadline passed, errc::cancelled, errc::too_large, errc::io with curl's text
  /// otherwise. With http2 errc::unavailable stands for all of these while the peer has not spoken HTTP/2:
  /// it was not reached, it is silent, or it has closed at once.
  using callback = std::function<void(caf::expected<http_reply>)>;

  explicit http_client(event_loop& loop, long max_connections = 256);
  /// Drops what is under way without calling back. From any thread, before the loop is destroyed.
  ~http_client();
  http_client(const http_client&) = delete;
  http_client& operator=(const http_client&) = delete;

  /// Starts a request; `done` is called once, from the loop, never from inside this call. Returns an id for
  /// cancel().
  uint64_t send(http_fetch fetch, callback done);
  /// Ends a request: its callback gets errc::cancelled, soon. Unknown ids are ignored.
  void cancel(uint64_t id);
  size_t in_flight() const;

private:
  struct impl;
  event_loop& loop_;
  std::shared_ptr<impl> impl_;
};

} // namespace podium
