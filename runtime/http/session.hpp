// HTTP/1.1 on one connection: parses requests, hands out exchanges, frames answers, turns into a tunnel.
// Internal.
#pragma once
#include "runtime/http/call_guarded.hpp"
#include "runtime/http/connection.hpp"

#include <boost/beast/http.hpp>

namespace podium::http_detail {

class tunnel;

constexpr size_t max_pending_input = 64 * 1024; ///< pipelined bytes kept while a request is being answered

class http_session final : public connection_user {
public:
  /// With `too_many` every request is answered 503.
  http_session(connection& c, bool too_many) : connection_(c), too_many_(too_many) {}
  ~http_session() override;

  void on_ready() override;
  void on_bytes(std::string_view data) override;
  void on_eof() override;
  void on_turn() override;
  void on_deadline() override;
  void on_closed() override;
  void on_server_stop() override;

  // For http_exchange.
  void respond(int status, std::string_view content_type, std::string body, const header_list& headers);
  void respond(int status, std::string_view content_type, std::shared_ptr<const std::string> body,
               const header_list& headers);
  void start_stream(int status, std::string_view content_type, const header_list& headers);
  bool write_chunk(std::string_view bytes);
  bool write_chunk(std::shared_ptr<const std::string> bytes);
  size_t queued() const { return connection_.queued(); }
  void end_stream();
  void abort() { connection_.abort(); }
  void exchange_dropped();
  /// Sends the 101 and ends the exchange. Null (and a 503 is sent) when too many upgrades are open.
  std::shared_ptr<byte_stream> upgrade(const header_list& headers);

  connection& conn() { return connection_; }
  void tunnel_dropped(std::function<void()> on_close);
  bool tunnel_write(std::string bytes);
  const http_limits& limits() { return connection_.core().limits; }

private:
  using parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class phase { idle, header, body, busy, stream, upgraded, done };

  bool wants_input() const { return phase_ <= phase::body && !connection_.finishing(); }
  size_t process(std::string_view data);
  void drain_input();
  bool step(std::string_view data, size_t& used);
  void begin_message();
  bool take_header();
  std::optional<std::string> fill_request();
  bool charge();
  void uncharge();
  void dispatch();
  /// Answers without a handler and gives the connection up: what follows in the input cannot be trusted.
  void refuse(int status, std::string_view text);
  http_page worded(int status, std::string_view text) const;
  void refuse_parse(const boost::beast::error_code& err);
  std::string head(int status, std::string_view content_type, const header_list& headers,
                   std::optional<size_t> length) const;
  bool answer_has_body(int status) const;
  void finish_message();
  std::function<void()> detach();
  bool after_write();
  void deliver_to_tunnel();

  connection& connection_;
  phase phase_ = phase::idle;
  std::unique_ptr<parser> parser_;
  http_request request_;
  size_t header_size_ = 0, body_size_ = 0; ///< of the request
  size_t charged_ = 0;                     ///< what is held of requests, counted in server_core::body_bytes
  uint64_t body_limit_ = 0;
  std::string input_; ///< what arrived and cannot be consumed yet
  http_exchange* exchange_ = nullptr;
  tunnel* tunnel_ = nullptr;
  std::function<void()> orphan_close_; ///< on_close of a tunnel that its owner dropped
  const bool too_many_;
  bool processing_ = false, keep_alive_ = true, head_only_ = false, http10_ = false, chunked_ = false;
  bool drain_wanted_ = false, eof_ = false, counted_ = false;
};

/// An upgraded connection.
class tunnel final : public byte_stream, public std::enable_shared_from_this<tunnel> {
public:
  explicit tunnel(http_session* session) : session_(session) {}
  ~tunnel() override;
  void on_data(std::function<void(std::string_view)> f) override;
  void on_end(std::function<void()> f) override { on_end_ = std::move(f); }
  void on_drain(std::function<void()> f) override { on_drain_ = std::move(f); }
  void on_close(std::function<void()> f) override;
  void on_shutdown(std::function<void()> f) override { on_shutdown_ = std::move(f); }
  bool write(std::string bytes) override;
  size_t queued() const override;
  void pause_reading() override;
  void resume_reading() override;
  void close() override;
  void abort() override;
  bool is_open() const override;
  void defer(std::function<void()> f) override;

private:
  friend class http_session;
  http_session* session_;
  bool paused_ = false, drain_wanted_ = false;
  std::function<void(std::string_view)> on_data_;
  std::function<void()> on_end_, on_drain_, on_close_, on_shutdown_;
};

} // namespace podium::http_detail
