#include "runtime/http/server_core.hpp"

#include "core/error.hpp"
#include "runtime/http/connection.hpp"
#include "runtime/http/session.hpp"

#include <arpa/inet.h>
#include <ctime>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace podium::http_detail {
namespace {

constexpr int backlog = 4096;            ///< the kernel cuts it to net.core.somaxconn
constexpr size_t refused_at_a_time = 64; ///< connections over the limit that still get to read their 503
constexpr size_t least_watermark = 16 * 1024;

caf::error uv_error(const std::string& what, int rc) {
  return make_error(errc::io, what + ": " + uv_strerror(rc));
}

/// True when somebody accepts connections at `path`.
bool is_served(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  auto fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return true;
  auto rc = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  auto served = rc == 0 || errno == EAGAIN;
  ::close(fd);
  return served;
}

} // namespace

std::string peer_address(const uv_tcp_t& tcp) {
  sockaddr_storage storage{};
  int size = sizeof storage;
  char text[INET6_ADDRSTRLEN] = "?";
  if (uv_tcp_getpeername(&tcp, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "unknown";
  if (storage.ss_family == AF_INET6) {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
    uv_ip6_name(in6, text, sizeof text);
    return '[' + std::string{text} + "]:" + std::to_string(ntohs(in6->sin6_port));
  }
  auto* in4 = reinterpret_cast<sockaddr_in*>(&storage);
  uv_ip4_name(in4, text, sizeof text);
  return std::string{text} + ':' + std::to_string(ntohs(in4->sin_port));
}

server_core::server_core(event_loop& loop, http_handler h, const http_limits& l)
    : limits(l), handler(std::move(h)), loop_(loop) {}

void server_core::start() {
  started_ = true;
  keep_alive_ = shared_from_this();
  uv_idle_init(loop(), &turn_);
  uv_timer_init(loop(), &timer_);
  uv_timer_init(loop(), &grace_);
  turn_.data = timer_.data = grace_.data = this;
  open_handles_ = 3;
}

void server_core::defer(std::function<void()> f) {
  if (finished_) return;
  deferred_.push_back(std::move(f));
  if (!turn_active_) {
    turn_active_ = true;
    uv_idle_start(&turn_, [](uv_idle_t* h) { static_cast<server_core*>(h->data)->run_turn(); });
  }
}

void server_core::mark(connection& c) {
  if (c.marked_ || c.closing_) return;
  c.marked_ = true;
  marked_.push_back(&c);
  if (!turn_active_) {
    turn_active_ = true;
    uv_idle_start(&turn_, [](uv_idle_t* h) { static_cast<server_core*>(h->data)->run_turn(); });
  }
}

void server_core::run_turn() {
  auto self = shared_from_this();
  running_.swap(marked_);
  for (size_t i = 0; i < running_.size(); ++i) {
    // Connections are deleted in their close callbacks only, so none vanishes in this loop.
    running_[i]->marked_ = false;
    running_[i]->run_turn();
  }
  running_.clear();
  if (queued_bytes > limits.total_queued_bytes) shed();
  auto calls = std::exchange(deferred_, {});
  for (auto& f : calls)
    f();
  if (marked_.empty() && deferred_.empty() && !finished_) {
    turn_active_ = false;
    uv_idle_stop(&turn_);
  }
}

/// Readers that take too little hold too much: those that hold most go first.
void server_core::shed() {
  std::vector<connection*> all(connections_.begin(), connections_.end());
  auto holds_less = [](auto* a, auto* b) { return a->accounted_ < b->accounted_; };
  std::make_heap(all.begin(), all.end(), holds_less);
  while (queued_bytes > limits.total_queued_bytes && !all.empty()) {
    std::pop_heap(all.begin(), all.end(), holds_less);
    ++stats.overrun;
    all.back()->abort();
    all.pop_back();
  }
}

size_t server_core::watermark() const {
  auto share = limits.total_queued_bytes / 2 / std::max<size_t>(1, connections_.size());
  return std::min(limits.watermark_bytes, std::max(share, least_watermark));
}

bool server_core::is_greedy(size_t size) const {
  return body_bytes > limits.total_body_bytes
         && size > limits.total_body_bytes / std::max<size_t>(1, limits.max_connections);
}

void server_core::add(connection& c) {
  connections_.insert(&c);
  stats.connections = connections_.size();
}

void server_core::remove(connection& c) {
  if (c.marked_) std::erase(marked_, &c);
  connections_.erase(&c);
  stats.connections = connections_.size();
  // After the user's on_closed(), which may still defer calls.
  if (stopping) defer([self = shared_from_this()] { self->maybe_finish(); });
}

server_core::deadline_map::iterator server_core::enter_deadline(uint64_t at, connection& c) {
  auto i = deadlines_.emplace(at, &c);
  if (i == deadlines_.begin()) arm();
  return i;
}

void server_core::erase_deadline(deadline_map::iterator i) {
  deadlines_.erase(i);
}

void server_core::arm() {
  if (finished_ || deadlines_.empty()) return;
  auto at = deadlines_.begin()->first;
  uv_timer_start(
      &timer_, [](uv_timer_t* h) { static_cast<server_core*>(h->data)->run_deadlines(); },
      at > now() ? at - now() : 0, 0);
}

void server_core::run_deadlines() {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now()) {
    auto* c = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    c->run_deadline();
  }
  arm();
}

const std::string& server_core::date() {
  auto t = ::time(nullptr);
  if (t != date_at_) {
    date_at_ = t;
    tm parts{};
    gmtime_r(&t, &parts);
    char text[64];
    date_.assign(text, strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts));
  }
  return date_;
}

void server_core::on_connection(uv_stream_t* stream, int status) {
  auto* l = static_cast<listener*>(stream->data);
  auto& core = *l->core;
  if (status < 0 || core.stopping) return;
  auto is_unix = stream->type == UV_NAMED_PIPE;
  auto* c = new connection(l->core, l->tls);
  if (c->init(is_unix) != 0) {
    delete c;
    return;
  }
  core.add(*c);
  if (uv_accept(stream, c->stream()) != 0) return c->abort();
  ++core.stats.accepted;
  auto most = core.limits.max_connections;
  auto too_many = core.connections_.size() > most;
  if (too_many) ++core.stats.refused;
  if (core.connections_.size() > most + refused_at_a_time) return c->abort();
  c->start(std::make_unique<http_session>(*c, too_many));
}

caf::error server_core::listen(std::unique_ptr<listener>& l) {
  if (stopping) return make_error(errc::unavailable, "the server is stopping");
  if (auto rc = uv_listen(l->stream(), backlog, on_connection); rc != 0) return uv_error("listen", rc);
  listeners_.push_back(l.release());
  return {};
}

void server_core::close_listener(listener* l) {
  uv_close(&l->handle.handle, [](uv_handle_t* h) { delete static_cast<listener*>(h->data); });
}

caf::expected<uint16_t> server_core::listen_tcp(const std::string& ip, uint16_t port,
                                                std::shared_ptr<tls_context> tls) {
  auto where = "listen on " + ip + ':' + std::to_string(port);
  sockaddr_storage address{};
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (uv_ip4_addr(ip.c_str(), port, reinterpret_cast<sockaddr_in*>(any)) != 0
      && uv_ip6_addr(ip.c_str(), port, reinterpret_cast<sockaddr_in6*>(any)) != 0)
    return make_error(errc::invalid, where + ": not an IP address");
  auto l = std::make_unique<listener>();
  if (auto rc = uv_tcp_init(loop(), &l->handle.tcp); rc != 0) return uv_error(where, rc);
  l->handle.handle.data = l.get();
  l->core = shared_from_this();
  l->tls = std::move(tls);
  auto* raw = l.get();
  auto err = [&]() -> caf::error {
    if (auto rc = uv_tcp_bind(&raw->handle.tcp, any, 0); rc != 0) return uv_error(where, rc);
    if (auto e = listen(l)) return make_error(code_of(e), where + ": " + message_of(e));
    return {};
  }();
  if (err) {
    (void)l.release(); // close_listener() deletes it when libuv is done
    close_listener(raw);
    return err;
  }
  int size = sizeof address;
  uv_tcp_getsockname(&raw->handle.tcp, any, &size);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(any)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(any)->sin_port);
}

caf::error server_core::listen_unix(const std::string& path, unsigned mode) {
  auto where = "listen on " + path;
  if (path.empty() || path.size() >= sizeof sockaddr_un{}.sun_path)
    return make_error(errc::invalid, where + ": a unix socket's path has 1 to "
                                         + std::to_string(sizeof sockaddr_un{}.sun_path - 1) + " bytes");
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode))
      return make_error(errc::already_exists, where + ": is there and is not a socket");
    if (is_served(path)) return make_error(errc::already_exists, where + ": another process serves it");
    ::unlink(path.c_str());
  }
  auto l = std::make_unique<listener>();
  if (auto rc = uv_pipe_init(loop(), &l->handle.pipe, 0); rc != 0) return uv_error(where, rc);
  l->handle.handle.data = l.get();
  l->core = shared_from_this();
  auto* raw = l.get();
  auto err = [&]() -> caf::error {
    if (auto rc = uv_pipe_bind(&raw->handle.pipe, path.c_str()); rc != 0) return uv_error(where, rc);
    // Nobody can connect before listen(), so the mode is never wider than asked for.
    if (::chmod(path.c_str(), mode) != 0) return errno_error(where, errno);
    return listen(l);
  }();
  if (err) {
    (void)l.release(); // close_listener() deletes it when libuv is done
    close_listener(raw);
  }
  return err;
}

void server_core::stop(std::function<void()> done) {
  if (!started_ || finished_) {
    if (done) done();
    return;
  }
  if (done)
    stop_done_ = [first = std::move(stop_done_), done = std::move(done)] {
      if (first) first();
      done();
    };
  if (stopping) return;
  stopping = true;
  for (auto* l : std::exchange(listeners_, {}))
    close_listener(l);
  auto all = std::vector<connection*>(connections_.begin(), connections_.end());
  for (auto* c : all)
    if (c->user() && !c->finishing())
      c->user()->on_server_stop();
    else if (!c->user() || c->fin_sent_)
      c->abort();
  uv_timer_start(
      &grace_,
      [](uv_timer_t* h) {
        auto& left = static_cast<server_core*>(h->data)->connections_;
        for (auto* c : std::vector<connection*>(left.begin(), left.end()))
          c->abort();
      },
      static_cast<uint64_t>(limits.stop_grace.count()), 0);
  defer([self = shared_from_this()] { self->maybe_finish(); });
}

void server_core::maybe_finish() {
  if (finished_ || !connections_.empty()) return;
  while (!deferred_.empty())
    for (auto& f : std::exchange(deferred_, {}))
      f();
  if (finished_) return;
  finished_ = true;
  handler = nullptr;
  gate = nullptr;
  refusal = nullptr;
  auto closed = [](uv_handle_t* h) {
    auto* core = static_cast<server_core*>(h->data);
    if (--core->open_handles_ > 0) return;
    auto keep = std::move(core->keep_alive_);
    if (auto done = std::exchange(core->stop_done_, {})) done();
  };
  uv_close(reinterpret_cast<uv_handle_t*>(&turn_), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&grace_), closed);
}

} // namespace podium::http_detail
