// The request half of a session: from bytes to a dispatched exchange, or a refusal.
#include "runtime/http/session.hpp"

namespace podium::http_detail {
namespace http = boost::beast::http;

/// Consumes requests from `data` as far as it can; says how much.
size_t http_session::process(std::string_view data) {
  processing_ = true;
  size_t used = 0;
  while (used < data.size() && wants_input() && step(data.substr(used), used)) {
  }
  processing_ = false;
  return used;
}

/// One parser call; false when more bytes or an answer are needed first.
bool http_session::step(std::string_view data, size_t& used) {
  if (!parser_) begin_message();
  boost::beast::error_code err;
  auto n = parser_->put(boost::asio::const_buffer{data.data(), data.size()}, err);
  used += n;
  auto starved = err == http::error::need_more;
  if (err && !starved) return refuse_parse(err), false;
  if (phase_ == phase::header) header_size_ += n;
  if (phase_ == phase::header && parser_->is_header_done()) {
    if (!take_header()) return false;
    starved = false;
  }
  body_size_ = parser_->get().body().size();
  if (!charge()) return false;
  if (parser_->is_done()) {
    dispatch();
    return true;
  }
  if (starved && n == 0) {
    // Trailers and chunk extensions have no limit of their own in the parser.
    if (data.size() > limits().header_bytes + max_pending_input) refuse_parse(http::error::header_limit);
    return false;
  }
  return true;
}

void http_session::begin_message() {
  parser_ = std::make_unique<parser>();
  head_only_ = http10_ = false;
  keep_alive_ = true;
  parser_->header_limit(limits().header_bytes);
  parser_->body_limit(boost::none); // set once the gate has seen the header
  parser_->eager(false);
  phase_ = phase::header;
  connection_.set_deadline(limits().header_timeout);
}

/// Fills request_ from the parsed header. Nothing, or what is wrong with it.
std::optional<std::string> http_session::fill_request() {
  auto& message = parser_->get();
  request_ = {};
  request_.version = message.version();
  request_.method = std::string{message.method_string()};
  request_.target = std::string{message.target()};
  for (auto& field : message)
    request_.headers.add({field.name_string().data(), field.name_string().size()},
                         {field.value().data(), field.value().size()});
  keep_alive_ = request_.keep_alive = parser_->keep_alive();
  head_only_ = request_.method == "HEAD";
  http10_ = request_.version < 11;
  auto hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && !http10_)) return "exactly one Host header is needed";
  std::string_view target = request_.target;
  if (auto scheme = target.find("://"); !target.starts_with('/') && scheme != target.npos) {
    auto slash = target.find('/', scheme + 3); // absolute-form, as sent to proxies
    target = slash == target.npos ? std::string_view{"/"} : target.substr(slash);
  }
  if (!target.starts_with('/') && target != "*") return "the request target is no path";
  auto question = target.find('?');
  request_.raw_path = std::string{target.substr(0, question)};
  auto path = percent_decode(request_.raw_path);
  auto query = http_query::parse(question == target.npos ? std::string_view{} : target.substr(question + 1));
  if (!path || !query) return "broken percent escape in the request target";
  request_.path = std::move(*path);
  request_.query = std::move(*query);
  request_.is_upgrade = !http10_ && has_token(request_.headers.get("Connection"), "upgrade")
                        && request_.headers.find("Upgrade");
  request_.peer = connection_.peer();
  return std::nullopt;
}

/// The header is complete: checks it, asks the gate, prepares for the body. False when the request was
/// refused.
bool http_session::take_header() {
  if (auto version = parser_->get().version(); version != 10 && version != 11)
    return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here"), false;
  if (auto wrong = fill_request()) return refuse(400, *wrong), false;
  if (too_many_) return refuse(503, "too many connections, please try again later"), false;
  gate_verdict verdict;
  if (auto& gate = connection_.core().gate) verdict = gate(request_);
  if (verdict.status != 0) {
    keep_alive_ = false;
    phase_ = phase::busy;
    return respond(verdict.status, verdict.content_type, std::move(verdict.body), {}), false;
  }
  request_.note = std::move(verdict.note);
  body_limit_ = verdict.body_bytes ? verdict.body_bytes : limits().body_bytes;
  auto length = parser_->content_length();
  if (length && *length > body_limit_) return refuse_parse(http::error::body_limit), false;
  if (auto expect = request_.headers.find("Expect"); expect && !http10_) {
    if (!equal_ignoring_case(*expect, "100-continue")) return refuse(417, "unknown expectation"), false;
    if (!parser_->is_done()) connection_.write(std::string{"HTTP/1.1 100 Continue\r\n\r\n"});
  }
  parser_->body_limit(body_limit_);
  parser_->eager(true);
  phase_ = phase::body;
  connection_.set_deadline(limits().body_timeout);
  return true;
}

/// Counts what this connection holds of requests against the server's budget; refuses the request when that
/// is used up and this one has more than its share.
bool http_session::charge() {
  auto& core = connection_.core();
  // A header is held twice: by the parser and by the request made of it.
  auto size = input_.size() + 2 * header_size_ + body_size_;
  core.body_bytes += size - charged_;
  charged_ = size;
  if (!wants_input() || !core.is_greedy(size)) return true;
  refuse(503, "too many request bodies at a time");
  return false;
}

void http_session::uncharge() {
  connection_.core().body_bytes -= std::exchange(charged_, 0);
  header_size_ = body_size_ = 0;
}

void http_session::dispatch() {
  request_.body = std::move(parser_->get().body());
  parser_.reset();
  phase_ = phase::busy;
  connection_.set_deadline(std::chrono::milliseconds{0});
  auto& core = connection_.core();
  ++core.stats.requests;
  auto exchange = std::make_shared<http_exchange>(this, std::move(request_));
  exchange_ = exchange.get();
  try {
    core.handler(exchange);
  } catch (const std::exception& e) {
    if (!exchange->is_open()) return;
    if (phase_ == phase::busy)
      exchange->respond(500, "text/plain", std::string{"internal error: "} + e.what() + '\n');
    else
      exchange->abort();
  }
}

http_page http_session::worded(int status, std::string_view text) const {
  if (auto& refusal = connection_.core().refusal) return refusal(status, text);
  return {"text/plain", std::string{text} + '\n'};
}

void http_session::refuse(int status, std::string_view text) {
  keep_alive_ = false;
  phase_ = phase::busy;
  auto page = worded(status, text);
  header_list headers;
  if (status == 503) headers.emplace_back("Retry-After", "1");
  respond(status, page.content_type, std::move(page.body), headers);
}

void http_session::refuse_parse(const boost::beast::error_code& err) {
  if (err == http::error::header_limit)
    return refuse(431, "request header too large: limit is " + std::to_string(limits().header_bytes));
  // The words of kube-apiserver.
  if (err == http::error::body_limit)
    return refuse(413, "Request entity too large: limit is " + std::to_string(body_limit_));
  if (err == http::error::bad_version) return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  refuse(400, "malformed request: " + err.message());
}

} // namespace podium::http_detail
