// What all connections of one server share on the loop thread: limits, deadlines, deferred work, counters.
// Internal.
#pragma once
#include "runtime/http/exchange.hpp"
#include "runtime/http/server.hpp"

#include <map>
#include <unordered_set>
#include <uv.h>

namespace podium::http_detail {

class connection;

/// Socket address of the peer, "ip:port".
std::string peer_address(const uv_tcp_t& tcp);

class server_core : public std::enable_shared_from_this<server_core> {
public:
  using deadline_map = std::multimap<uint64_t, connection*>;

  server_core(event_loop& loop, http_handler handler, const http_limits& limits);

  /// Opens the internal handles. They stay open until finish().
  void start();
  /// Calls `f` from the next turn of the loop, outside of whatever runs now.
  void defer(std::function<void()> f);
  /// Has connection::on_turn called once, soon.
  void mark(connection& c);
  void add(connection& c);
  /// Called from the connection's close callback; the connection deletes itself afterwards.
  void remove(connection& c);
  /// Enters `c` at `at` (loop milliseconds); `c` keeps the iterator.
  deadline_map::iterator enter_deadline(uint64_t at, connection& c);
  void erase_deadline(deadline_map::iterator i);
  uint64_t now() const { return uv_now(loop_.raw()); }
  /// Above how many queued bytes a producer is to wait: the more connections, the less each may hold.
  size_t watermark() const;
  /// True when all requests together hold too much and this one, with `size` bytes, more than its share.
  bool is_greedy(size_t size) const;

  caf::expected<uint16_t> listen_tcp(const std::string& ip, uint16_t port, std::shared_ptr<tls_context> tls);
  caf::error listen_unix(const std::string& path, unsigned mode);
  void stop(std::function<void()> done);

  uv_loop_t* loop() { return loop_.raw(); }

  http_limits limits;
  http_handler handler;
  http_gate gate;
  http_refusal refusal;
  http_stats stats;
  bool stopping = false;
  size_t upgrades = 0;
  size_t body_bytes = 0;        ///< what all connections hold of requests
  size_t queued_bytes = 0;      ///< what all connections hold of answers
  char read_buffer[64 * 1024];  ///< bytes are consumed before the next read
  char plain_buffer[16 * 1024]; ///< one TLS record
  const std::string& date();

private:
  struct listener {
    uv_any_handle handle{};
    std::shared_ptr<server_core> core;
    std::shared_ptr<tls_context> tls;
    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle); }
  };
  static void on_connection(uv_stream_t* stream, int status);
  caf::error listen(std::unique_ptr<listener>& l);
  static void close_listener(listener* l);
  void run_turn();
  void shed();
  void run_deadlines();
  void arm();
  void maybe_finish();

  event_loop& loop_;
  uv_idle_t turn_{};
  uv_timer_t timer_{};
  uv_timer_t grace_{};
  int open_handles_ = 0;
  bool turn_active_ = false, started_ = false, finished_ = false;
  std::vector<std::function<void()>> deferred_;
  std::vector<connection*> marked_, running_;
  std::unordered_set<connection*> connections_;
  std::vector<listener*> listeners_;
  deadline_map deadlines_;
  std::function<void()> stop_done_;
  std::shared_ptr<server_core> keep_alive_;
  std::string date_;
  time_t date_at_ = 0;
};

} // namespace podium::http_detail
