#include "runtime/http/session.hpp"

namespace podium::http_detail {
namespace http = boost::beast::http;
namespace {

constexpr size_t inline_body = 16 * 1024; ///< bodies up to this travel in the head's buffer

void append_clean(std::string& out, std::string_view text) {
  for (auto c : text)
    out.push_back(c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  append_clean(out, name);
  out += ": ";
  append_clean(out, value);
  out += "\r\n";
}

std::string_view reason(int status) {
  return http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
}

std::string hex(size_t n) {
  char text[20];
  return {text, static_cast<size_t>(snprintf(text, sizeof text, "%zx", n))};
}

} // namespace

http_session::~http_session() = default;

void http_session::on_ready() {
  connection_.set_deadline(limits().header_timeout);
}

void http_session::on_bytes(std::string_view data) {
  if (phase_ == phase::upgraded) {
    if (input_.empty() && tunnel_ && tunnel_->on_data_ && !tunnel_->paused_) {
      auto keep = tunnel_->shared_from_this();
      return call_guarded(keep->on_data_, data);
    }
    input_.append(data);
  } else if (input_.empty()) {
    auto used = process(data);
    if (!connection_.finishing()) input_.append(data.substr(used));
  } else {
    input_.append(data);
    drain_input();
  }
  if (phase_ == phase::upgraded && !input_.empty()) connection_.kick();
  if (phase_ != phase::upgraded && !connection_.finishing() && !charge()) return;
  if (!wants_input() && input_.size() > max_pending_input) connection_.pause();
}

void http_session::drain_input() {
  auto used = process(input_);
  if (used == input_.size())
    std::string{}.swap(input_);
  else
    input_.erase(0, used);
}

std::string http_session::head(int status, std::string_view content_type, const header_list& headers,
                               std::optional<size_t> length) const {
  std::string out;
  out.reserve(256);
  out += "HTTP/1.1 ";
  out += std::to_string(status);
  out += ' ';
  out += reason(status);
  out += "\r\n";
  if (!content_type.empty()) append_header(out, "Content-Type", content_type);
  append_header(out, "Date", connection_.core().date());
  for (auto& [name, value] : headers)
    append_header(out, name, value);
  if (status == 101) return out += "\r\n";
  if (length) append_header(out, "Content-Length", std::to_string(*length));
  if (chunked_) out += "Transfer-Encoding: chunked\r\n";
  if (!keep_alive_)
    out += "Connection: close\r\n";
  else if (http10_)
    out += "Connection: keep-alive\r\n";
  return out += "\r\n";
}

bool http_session::answer_has_body(int status) const {
  return !head_only_ && status != 204 && status != 304;
}

void http_session::respond(int status, std::string_view content_type, std::string body,
                           const header_list& headers) {
  if (body.size() > inline_body)
    return respond(status, content_type, std::make_shared<const std::string>(std::move(body)), headers);
  if (phase_ != phase::busy) return;
  chunked_ = false;
  auto out = head(status, content_type, headers, status == 204 ? std::nullopt : std::optional{body.size()});
  if (answer_has_body(status)) out += body;
  connection_.write(std::move(out));
  finish_message();
}

void http_session::respond(int status, std::string_view content_type, std::shared_ptr<const std::string> body,
                           const header_list& headers) {
  if (phase_ != phase::busy) return;
  chunked_ = false;
  auto size = body ? body->size() : 0;
  connection_.write(head(status, content_type, headers, status == 204 ? std::nullopt : std::optional{size}));
  if (body && answer_has_body(status)) connection_.write(std::move(body));
  finish_message();
}

void http_session::start_stream(int status, std::string_view content_type, const header_list& headers) {
  if (phase_ != phase::busy) return;
  if (eof_) return connection_.abort(); // nobody would notice when the reader leaves
  phase_ = phase::stream;
  if (!answer_has_body(status)) head_only_ = true;
  chunked_ = !http10_ && answer_has_body(status);
  if (http10_) keep_alive_ = false;
  connection_.write(head(status, content_type, headers, std::nullopt));
}

bool http_session::write_chunk(std::string_view bytes) {
  if (phase_ != phase::stream || connection_.finishing()) return false;
  if (head_only_ || bytes.empty()) return true;
  if (chunked_) {
    std::string out;
    out.reserve(bytes.size() + 16);
    out.append(hex(bytes.size())).append("\r\n").append(bytes).append("\r\n");
    connection_.write(std::move(out));
  } else {
    connection_.write(std::string{bytes});
  }
  return after_write();
}

bool http_session::write_chunk(std::shared_ptr<const std::string> bytes) {
  // Below this, three buffers cost more than a copy.
  if (!bytes || bytes->size() < 4096)
    return write_chunk(bytes ? std::string_view{*bytes} : std::string_view{});
  if (phase_ != phase::stream || connection_.finishing()) return false;
  if (head_only_) return true;
  if (chunked_) connection_.write(hex(bytes->size()) + "\r\n");
  connection_.write(std::move(bytes));
  if (chunked_) connection_.write(std::string{"\r\n"});
  return after_write();
}

bool http_session::after_write() {
  auto waiting = connection_.queued();
  if (waiting <= connection_.core().watermark()) return true;
  drain_wanted_ = true;
  if (waiting > limits().max_queued_bytes) {
    ++connection_.core().stats.overrun;
    connection_.abort();
  }
  return false;
}

void http_session::end_stream() {
  if (phase_ == phase::busy) return respond(200, {}, std::string{}, {});
  if (phase_ != phase::stream) return;
  if (chunked_) connection_.write(std::string{"0\r\n\r\n"});
  finish_message();
}

/// Parts from the exchange and returns its on_close.
std::function<void()> http_session::detach() {
  if (!exchange_) return {};
  auto* e = std::exchange(exchange_, nullptr);
  e->session_ = nullptr;
  e->on_drain_ = nullptr;
  return std::exchange(e->on_close_, {});
}

void http_session::finish_message() {
  if (auto f = detach()) connection_.core().defer(std::move(f));
  parser_.reset();
  uncharge();
  drain_wanted_ = false;
  if (!keep_alive_ || eof_ || connection_.core().stopping) {
    phase_ = phase::done;
    std::string{}.swap(input_);
    return connection_.close_gracefully();
  }
  phase_ = phase::idle;
  connection_.set_deadline(limits().idle_timeout);
  if (!processing_ && (!input_.empty() || connection_.paused())) connection_.kick();
}

void http_session::exchange_dropped() {
  if (phase_ == phase::busy && !connection_.closing()) {
    auto page = worded(500, "the request was dropped without an answer");
    respond(500, page.content_type, std::move(page.body), {});
  } else {
    if (auto f = detach()) connection_.core().defer(std::move(f));
    connection_.abort();
  }
}

void http_session::on_eof() {
  eof_ = true;
  switch (phase_) {
  case phase::busy:
    return; // a client that half-closes still gets its answer
  case phase::stream:
    return connection_.abort();
  case phase::upgraded:
    if (tunnel_ && tunnel_->on_end_) {
      auto keep = tunnel_->shared_from_this();
      if (input_.empty()) call_guarded(keep->on_end_);
      return;
    }
    [[fallthrough]];
  default:
    return connection_.close_gracefully();
  }
}

void http_session::on_turn() {
  if (phase_ == phase::upgraded) {
    deliver_to_tunnel();
    if (tunnel_ && tunnel_->drain_wanted_ && connection_.queued() <= connection_.core().watermark() / 2) {
      auto keep = tunnel_->shared_from_this();
      keep->drain_wanted_ = false;
      call_guarded(keep->on_drain_);
    }
    return;
  }
  if (wants_input() && !input_.empty()) drain_input();
  if (connection_.paused() && (wants_input() || input_.size() <= max_pending_input)) connection_.resume();
  if (drain_wanted_ && exchange_ && connection_.queued() <= connection_.core().watermark() / 2) {
    drain_wanted_ = false;
    auto keep = exchange_->shared_from_this();
    call_guarded(keep->on_drain_);
    // A callback that was ended from within itself must not keep what it holds alive.
    if (!keep->is_open()) keep->on_drain_ = nullptr;
  }
}

void http_session::on_deadline() {
  ++connection_.core().stats.timeouts;
  if (phase_ == phase::header || phase_ == phase::body)
    return refuse(408, "the request did not come in time");
  connection_.close_gracefully();
}

void http_session::on_server_stop() {
  switch (phase_) {
  case phase::header:
  case phase::body:
  case phase::busy:
    return refuse(503, "the server is stopping");
  case phase::stream:
    keep_alive_ = false;
    return end_stream();
  case phase::upgraded:
    if (tunnel_ && tunnel_->on_shutdown_) {
      auto keep = tunnel_->shared_from_this();
      return call_guarded(keep->on_shutdown_);
    }
    [[fallthrough]];
  default:
    connection_.close_gracefully();
  }
}

void http_session::on_closed() {
  phase_ = phase::done;
  uncharge();
  if (counted_) connection_.core().stats.upgrades = --connection_.core().upgrades;
  auto f = detach();
  if (tunnel_) {
    auto keep = tunnel_->shared_from_this();
    tunnel_ = nullptr;
    keep->session_ = nullptr;
    f = std::exchange(keep->on_close_, {});
    keep->on_data_ = nullptr;
    keep->on_end_ = keep->on_drain_ = keep->on_shutdown_ = nullptr;
  } else if (orphan_close_) {
    f = std::move(orphan_close_);
  }
  if (f) f();
}

} // namespace podium::http_detail
