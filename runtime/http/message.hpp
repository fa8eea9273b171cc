// HTTP messages as handlers see them: headers, query, request, and the limits a server enforces on each.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podium {

/// True when `a` and `b` are equal without regard to ASCII case.
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// True when the comma separated list `value` holds `token`, without regard to case (Connection, Upgrade,
/// ...).
bool has_token(std::string_view value, std::string_view token);

/// The items of a comma separated header value, trimmed, empty ones left out.
std::vector<std::string> split_list(std::string_view value);

/// Decodes %XX (and '+' as a space when `plus_is_space`). Nothing for a broken escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

/// Go's strconv.ParseBool, which the Kubernetes API uses for query parameters: 1 t T true TRUE True and their
/// opposites.
std::optional<bool> parse_go_bool(std::string_view text);

/// Header fields in order of arrival; names compare without regard to case. Two allocations whatever their
/// number.
class http_headers {
public:
  void add(std::string_view name, std::string_view value);
  /// The first value of `name`, or nothing.
  std::optional<std::string_view> find(std::string_view name) const;
  /// The first value of `name`, or an empty view.
  std::string_view get(std::string_view name) const { return find(name).value_or(std::string_view{}); }
  /// Every value of `name`, in order.
  std::vector<std::string_view> get_all(std::string_view name) const;
  size_t size() const { return entries_.size(); }
  std::pair<std::string_view, std::string_view> at(size_t i) const;

private:
  struct entry {
    uint32_t name, name_size, value_size;
  };
  std::string text_;
  std::vector<entry> entries_;
};

/// Header fields of an answer.
using header_list = std::vector<std::pair<std::string, std::string>>;

/// The decoded query of a URL, in order.
class http_query {
public:
  /// Parses "a=b&c=%20"; a name without '=' has an empty value. Nothing for a broken escape.
  static std::optional<http_query> parse(std::string_view text);
  /// The first value of `name`, or nothing when the name does not occur.
  std::optional<std::string_view> get(std::string_view name) const;
  std::vector<std::string_view> get_all(std::string_view name) const;
  bool has(std::string_view name) const { return get(name).has_value(); }
  /// The value as Go's ParseBool reads it; false when absent or not a boolean.
  bool flag(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }

private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

/// Who is at the other end of a connection, as far as the transport knows.
struct peer_identity {
  std::string address;         ///< "ip:port", or "unix"
  std::optional<uint32_t> uid; ///< the peer process's user, on a unix socket
  bool tls = false;
  bool presented = false;   ///< a client certificate came
  bool verified = false;    ///< ... and it chains to the client CA and is valid now
  std::string verify_error; ///< why it is not verified, when presented
  std::string common_name;  ///< CN: the user's name in Kubernetes. Trust it only when `verified`.
  std::vector<std::string> organizations; ///< O, repeated: the user's groups
};

struct http_request {
  std::string method;
  std::string target;   ///< as sent: path and query
  std::string raw_path; ///< as sent, without the query
  std::string path;     ///< percent-decoded
  http_query query;
  http_headers headers;
  std::string body;
  peer_identity peer;
  unsigned version = 11; ///< 10 or 11
  bool keep_alive = true;
  bool is_upgrade = false;    ///< Connection: upgrade and an Upgrade header are there
  std::shared_ptr<void> note; ///< what the gate found out about the request, for the handler

  /// True for an upgrade request to `protocol` ("websocket", "SPDY/3.1").
  bool wants_upgrade(std::string_view protocol) const;
};

/// What a server allows. Sizes in bytes.
struct http_limits {
  size_t max_connections = 4096;
  size_t max_upgrades = 1024; ///< websockets and other tunnels at a time
  uint32_t header_bytes = 64 * 1024;
  uint64_t body_bytes = 3 * 1024 * 1024; ///< Kubernetes' limit of a request body; a gate may say otherwise
  /// Unfinished and unanswered requests of all connections together; beyond it those that hold more than
  /// their share get 503.
  size_t total_body_bytes = 256 * 1024 * 1024;
  /// A producer is told to wait above this; where many connections are open, above their share of
  /// total_queued_bytes already.
  size_t watermark_bytes = 256 * 1024;
  /// Output that clients have not taken, of all connections together; beyond it whoever holds most is
  /// dropped.
  size_t total_queued_bytes = 256 * 1024 * 1024;
  /// A connection whose producer does not wait is dropped above this (whole responses are not counted against
  /// it).
  size_t max_queued_bytes = 16 * 1024 * 1024;
  /// What the kernel takes of a connection beyond what is on its way: a reader that is stuck costs this much
  /// of its memory, too.
  uint32_t unsent_bytes = 64 * 1024;
  uint32_t websocket_message_bytes = 1024 * 1024;
  std::chrono::milliseconds tls_handshake{10'000};
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds idle_timeout{120'000};
  std::chrono::milliseconds write_stall{60'000}; ///< a reader that takes nothing for so long is dropped
  std::chrono::milliseconds linger{5'000}; ///< how long input is still swallowed after the last byte was sent
  std::chrono::milliseconds stop_grace{1'000}; ///< how long stop() lets clients take what is queued
  std::chrono::seconds keepalive_idle{30};
  std::chrono::milliseconds user_timeout{
      60'000}; ///< TCP_USER_TIMEOUT: unacknowledged data for so long is a dead peer
};

} // namespace podium
