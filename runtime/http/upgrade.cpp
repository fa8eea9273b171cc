// Upgraded connections, and the exchange's calls into its session.
#include "runtime/http/session.hpp"
#include "runtime/http/websocket.hpp"

#include <openssl/evp.h>

namespace podium {
namespace http_detail {

std::shared_ptr<byte_stream> http_session::upgrade(const header_list& headers) {
  auto& core = connection_.core();
  if (phase_ != phase::busy || connection_.finishing()) return nullptr;
  if (eof_ || core.stopping || core.upgrades >= core.limits.max_upgrades) {
    auto page = worded(503, "too many upgraded connections");
    respond(503, page.content_type, std::move(page.body), {{"Retry-After", "1"}});
    return nullptr;
  }
  connection_.write(head(101, {}, headers, std::nullopt));
  phase_ = phase::upgraded;
  core.stats.upgrades = ++core.upgrades;
  counted_ = true;
  uncharge();
  if (auto f = detach()) core.defer(std::move(f));
  auto result = std::make_shared<tunnel>(this);
  tunnel_ = result.get();
  return result;
}

void http_session::deliver_to_tunnel() {
  if (!tunnel_) return;
  auto keep = tunnel_->shared_from_this();
  if (!input_.empty() && keep->on_data_ && !keep->paused_) {
    auto data = std::exchange(input_, {});
    call_guarded(keep->on_data_, std::string_view{data});
    if (eof_ && keep->on_end_) call_guarded(keep->on_end_);
  }
  if (connection_.paused() && !keep->paused_ && input_.empty()) connection_.resume();
}

void http_session::tunnel_dropped(std::function<void()> on_close) {
  tunnel_ = nullptr;
  orphan_close_ = std::move(on_close);
  connection_.close_gracefully();
}

bool http_session::tunnel_write(std::string bytes) {
  connection_.write(std::move(bytes));
  auto waiting = connection_.queued();
  if (waiting > limits().max_queued_bytes) {
    ++connection_.core().stats.overrun;
    connection_.abort();
  }
  return waiting <= connection_.core().watermark();
}

tunnel::~tunnel() {
  if (session_) session_->tunnel_dropped(std::move(on_close_));
}

void tunnel::on_data(std::function<void(std::string_view)> f) {
  on_data_ = std::move(f);
  if (session_) session_->conn().kick();
}

void tunnel::on_close(std::function<void()> f) {
  if (session_) on_close_ = std::move(f);
}

bool tunnel::write(std::string bytes) {
  if (!is_open()) return false;
  auto room = session_->tunnel_write(std::move(bytes));
  if (!room) drain_wanted_ = true;
  return room;
}

size_t tunnel::queued() const {
  return session_ ? session_->queued() : 0;
}

void tunnel::pause_reading() {
  paused_ = true;
  if (session_) session_->conn().pause();
}

void tunnel::resume_reading() {
  paused_ = false;
  if (!session_) return;
  session_->conn().resume();
  session_->conn().kick();
}

void tunnel::close() {
  if (session_) session_->conn().close_gracefully();
}

void tunnel::abort() {
  if (session_) session_->conn().abort();
}

bool tunnel::is_open() const {
  return session_ && !session_->conn().finishing();
}

void tunnel::defer(std::function<void()> f) {
  if (session_) session_->conn().core().defer(std::move(f));
}

} // namespace http_detail

http_exchange::~http_exchange() {
  if (session_) session_->exchange_dropped();
}

void http_exchange::respond(int status, std::string_view content_type, std::string body,
                            const header_list& headers) {
  if (session_) session_->respond(status, content_type, std::move(body), headers);
}

void http_exchange::respond(int status, std::string_view content_type,
                            std::shared_ptr<const std::string> body, const header_list& headers) {
  if (session_) session_->respond(status, content_type, std::move(body), headers);
}

void http_exchange::start_stream(int status, std::string_view content_type, const header_list& headers) {
  if (session_) session_->start_stream(status, content_type, headers);
}

bool http_exchange::write_chunk(std::string_view bytes) {
  return session_ && session_->write_chunk(bytes);
}

bool http_exchange::write_chunk(std::shared_ptr<const std::string> bytes) {
  return session_ && session_->write_chunk(std::move(bytes));
}

size_t http_exchange::queued() const {
  return session_ ? session_->queued() : 0;
}

void http_exchange::end() {
  if (session_) session_->end_stream();
}

void http_exchange::abort() {
  if (session_) session_->abort();
}

void http_exchange::on_close(std::function<void()> f) {
  if (session_) on_close_ = std::move(f);
}

std::shared_ptr<byte_stream> http_exchange::accept_upgrade(std::string_view protocol,
                                                           const header_list& headers) {
  if (!session_) return nullptr;
  if (!request_.wants_upgrade(protocol)) {
    respond(426, "text/plain", "an upgrade to " + std::string{protocol} + " is needed\n",
            {{"Upgrade", std::string{protocol}}});
    return nullptr;
  }
  header_list all{{"Upgrade", std::string{protocol}}, {"Connection", "Upgrade"}};
  all.insert(all.end(), headers.begin(), headers.end());
  return session_->upgrade(all);
}

std::shared_ptr<websocket> http_exchange::accept_websocket(std::string_view subprotocol) {
  if (!session_) return nullptr;
  auto key = request_.headers.get("Sec-WebSocket-Key");
  if (request_.method != "GET" || !request_.wants_upgrade("websocket") || key.size() != 24) {
    respond(400, "text/plain", std::string{"not a WebSocket handshake\n"});
    return nullptr;
  }
  if (request_.headers.get("Sec-WebSocket-Version") != "13") {
    respond(426, "text/plain", std::string{"only WebSocket version 13 is spoken here\n"},
            {{"Sec-WebSocket-Version", "13"}});
    return nullptr;
  }
  header_list headers{{"Upgrade", "websocket"},
                      {"Connection", "Upgrade"},
                      {"Sec-WebSocket-Accept", websocket_accept_key(key)}};
  if (!subprotocol.empty()) headers.emplace_back("Sec-WebSocket-Protocol", subprotocol);
  auto limit = session_->limits().websocket_message_bytes;
  auto stream = session_->upgrade(headers);
  return stream ? websocket::make(std::move(stream), limit) : nullptr;
}

std::string websocket_accept_key(std::string_view key) {
  auto text = std::string{key} + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455, 1.3
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  unsigned char encoded[4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1];
  auto n = EVP_EncodeBlock(encoded, digest, static_cast<int>(size));
  return {reinterpret_cast<char*>(encoded), static_cast<size_t>(n)};
}

} // namespace podium
