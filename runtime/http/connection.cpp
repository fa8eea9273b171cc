#include "runtime/http/connection.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

namespace podium::http_detail {
namespace {
constexpr size_t coalesce_bytes = 16 * 1024; ///< small writes are joined up to this
constexpr size_t cipher_ahead = 64 * 1024;   ///< how much is encrypted before the kernel takes it
constexpr size_t feed_bytes = 16 * 1024;     ///< how much is fed before it is decrypted
constexpr size_t max_iovecs = 64;

uint64_t ms(std::chrono::milliseconds d) {
  return static_cast<uint64_t>(std::max<int64_t>(d.count(), 0));
}

/// No TLS record begins like this.
bool speaks_plain_http(std::string_view first) {
  for (auto* start : {"GET /", "HEAD /", "POST /", "PUT /", "PATCH /", "DELETE /", "OPTIONS "})
    if (first.starts_with(start)) return true;
  return false;
}
} // namespace

connection::connection(std::shared_ptr<server_core> core, std::shared_ptr<tls_context> tls)
    : core_(std::move(core)), tls_context_(std::move(tls)) {}

int connection::init(bool unix_socket) {
  is_unix_ = unix_socket;
  handle_.handle.data = this;
  auto rc =
      unix_socket ? uv_pipe_init(core_->loop(), &handle_.pipe, 0) : uv_tcp_init(core_->loop(), &handle_.tcp);
  handle_.handle.data = this;
  return rc;
}

void connection::start(std::unique_ptr<connection_user> user) {
  user_ = std::move(user);
  int fd = -1;
  uv_fileno(&handle_.handle, &fd);
  if (is_unix_) {
    peer_.address = "unix";
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) peer_.uid = credentials.uid;
  } else {
    peer_.address = peer_address(handle_.tcp);
    uv_tcp_nodelay(&handle_.tcp, 1);
    uv_tcp_keepalive(&handle_.tcp, 1, static_cast<unsigned>(core_->limits.keepalive_idle.count()));
    auto timeout = static_cast<unsigned>(core_->limits.user_timeout.count());
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
    auto unsent = static_cast<unsigned>(core_->limits.unsent_bytes);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
  }
  if (tls_context_) {
    set_deadline(core_->limits.tls_handshake);
  } else {
    ready_ = true;
    if (user_) user_->on_ready();
  }
  read_start();
}

void connection::read_start() {
  if (reading_ || closing_ || eof_) return;
  reading_ = true;
  uv_read_start(
      stream(),
      [](uv_handle_t* h, size_t, uv_buf_t* buf) {
        auto& core = static_cast<connection*>(h->data)->core();
        *buf = uv_buf_init(core.read_buffer, sizeof core.read_buffer);
      },
      [](uv_stream_t* s, ssize_t n, const uv_buf_t* buf) {
        static_cast<connection*>(s->data)->on_read(n, buf->base);
      });
}

void connection::on_read(ssize_t n, const char* data) {
  if (closing_ || n == 0) return;
  if (n == UV_EOF) return saw_eof();
  if (n < 0) return abort();
  std::string_view bytes{data, static_cast<size_t>(n)};
  if (!tls_context_) return deliver(bytes);
  if (!tls_ && speaks_plain_http(bytes)) return refuse_plain_http();
  if (!tls_) tls_ = std::make_unique<tls_engine>(*tls_context_);
  for (; !bytes.empty() && !closing_ && !eof_; bytes.remove_prefix(std::min(feed_bytes, bytes.size()))) {
    tls_->feed(bytes.substr(0, feed_bytes));
    decrypt();
  }
}

/// Whoever forgot the s of https is told so, as Go's server does.
void connection::refuse_plain_http() {
  tls_context_.reset();
  ready_ = true;
  write("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
  close_gracefully();
}

void connection::decrypt() {
  while (!closing_ && (!paused_ || finishing_)) {
    size_t size = 0;
    auto status = tls_->read(core_->plain_buffer, sizeof core_->plain_buffer, size);
    if (!ready_ && tls_->handshake_done()) {
      ready_ = true;
      tls_->identify(peer_);
      set_deadline(std::chrono::milliseconds{0});
      if (user_) user_->on_ready();
    }
    if (status == tls_engine::status::ok) {
      deliver({core_->plain_buffer, size});
      if (tls_->pending_input()) continue;
      break;
    }
    if (status == tls_engine::status::closed) saw_eof();
    if (status == tls_engine::status::failed) {
      pump(); // the alert
      abort();
    }
    break;
  }
  if (!closing_ && tls_->pending_output() > 0) core_->mark(*this);
}

void connection::deliver(std::string_view data) {
  if (user_ && !finishing_ && !closing_) user_->on_bytes(data);
}

void connection::saw_eof() {
  if (eof_ || closing_) return;
  eof_ = true;
  reading_ = false;
  uv_read_stop(stream());
  if (finishing_ ? fin_sent_ : !user_ || !ready_) return abort();
  if (!finishing_) user_->on_eof();
}

void connection::write(std::string bytes) {
  queue({.own = std::move(bytes), .shared = nullptr});
}

void connection::write(std::shared_ptr<const std::string> bytes) {
  queue({.own = {}, .shared = std::move(bytes)});
}

void connection::queue(out_buffer b) {
  auto size = b.view().size();
  if (finishing_ || closing_ || size == 0) return;
  out_bytes_ += size;
  auto* last = out_.empty() ? nullptr : &out_.back();
  if (last && !last->shared && !b.shared && last->own.size() + size <= coalesce_bytes)
    last->own += b.own;
  else
    out_.push_back(std::move(b));
  account();
  core_->mark(*this);
}

void connection::account() {
  auto now = closing_ ? 0 : queued();
  core_->queued_bytes += now - accounted_;
  accounted_ = now;
}

size_t connection::queued() const {
  auto* s = reinterpret_cast<const uv_stream_t*>(&handle_);
  return out_bytes_ + (closing_ ? 0 : uv_stream_get_write_queue_size(s));
}

void connection::consume(size_t n) {
  out_bytes_ -= n;
  while (n > 0) {
    auto left = out_[out_head_].view().size();
    if (n < left) {
      out_[out_head_].offset += n;
      return;
    }
    n -= left;
    out_[out_head_++] = {};
  }
  if (out_head_ == out_.size()) {
    out_.clear();
    out_head_ = 0;
    if (out_.capacity() > max_iovecs) out_.shrink_to_fit();
  }
}

void connection::pump() {
  while (!closing_ && !op_ && (tls_context_ ? pump_tls() : pump_plain())) {
  }
  account();
  if (finishing_ && !closing_ && !op_ && !fin_sent_ && out_bytes_ == 0) send_fin();
}

/// Writes once; true when there may be more to write at once.
bool connection::pump_plain() {
  if (out_bytes_ == 0) return false;
  uv_buf_t views[max_iovecs];
  unsigned count = 0;
  size_t total = 0;
  for (auto i = out_head_; i < out_.size() && count < max_iovecs; ++i) {
    auto view = out_[i].view();
    views[count++] = uv_buf_init(const_cast<char*>(view.data()), static_cast<unsigned>(view.size()));
    total += view.size();
  }
  auto n = uv_try_write(stream(), views, count);
  if (n < 0 && n != UV_EAGAIN) return abort(), false;
  auto taken = static_cast<size_t>(std::max(n, 0));
  given_ += taken;
  consume(taken);
  if (taken == total) return true;
  // The buffers move where nothing reallocates them until libuv is done.
  std::vector<out_buffer> rest;
  size_t size = 0;
  for (; out_head_ < out_.size() && rest.size() < max_iovecs; ++out_head_) {
    size += out_[out_head_].view().size();
    rest.push_back(std::move(out_[out_head_]));
  }
  out_bytes_ -= size;
  if (out_head_ == out_.size()) out_.clear(), out_head_ = 0;
  return give_rest(std::move(rest));
}

/// Encrypts a little and writes it once; true when there may be more to write at once.
bool connection::pump_tls() {
  if (!tls_) return false;
  while (ready_ && out_bytes_ > 0 && tls_->pending_output() < cipher_ahead) {
    auto piece = out_[out_head_].view().substr(0, sizeof core_->plain_buffer);
    if (!tls_->write(piece)) return abort(), false;
    consume(piece.size());
  }
  if (tls_->pending_output() == 0) return false;
  std::string cipher;
  tls_->take(cipher);
  auto view = uv_buf_init(cipher.data(), static_cast<unsigned>(cipher.size()));
  auto n = uv_try_write(stream(), &view, 1);
  if (n < 0 && n != UV_EAGAIN) return abort(), false;
  auto taken = static_cast<size_t>(std::max(n, 0));
  given_ += taken;
  if (taken == cipher.size()) return true;
  std::vector<out_buffer> rest;
  rest.push_back({.own = std::move(cipher), .shared = nullptr, .offset = taken});
  return give_rest(std::move(rest));
}

bool connection::give_rest(std::vector<out_buffer> rest) {
  op_ = std::make_unique<write_op>();
  op_->buffers = std::move(rest);
  op_->request.data = this;
  std::vector<uv_buf_t> views;
  for (auto& b : op_->buffers) {
    auto view = b.view();
    given_ += view.size();
    views.push_back(uv_buf_init(const_cast<char*>(view.data()), static_cast<unsigned>(view.size())));
  }
  auto rc =
      uv_write(&op_->request, stream(), views.data(), static_cast<unsigned>(views.size()),
               [](uv_write_t* r, int status) { static_cast<connection*>(r->data)->on_written(status); });
  if (rc < 0) {
    op_.reset();
    abort();
    return false;
  }
  if (stall_check_ == 0) {
    taken_seen_ = given_ - uv_stream_get_write_queue_size(stream());
    taken_at_ = core_->now();
    stall_check_ = taken_at_ + ms(core_->limits.write_stall) / 4 + 1;
    schedule();
  }
  return false;
}

void connection::on_written(int status) {
  if (closing_) return; // the close callback frees the rest
  op_.reset();
  if (status < 0) return abort();
  pump();
  if (!closing_) core_->mark(*this);
}

void connection::close_gracefully() {
  if (finishing_ || closing_) return;
  finishing_ = true;
  user_deadline_ = 0;
  if (!ready_) return abort();
  paused_ = false;
  read_start();
  core_->mark(*this);
}

void connection::send_fin() {
  if (tls_context_) {
    tls_->shutdown(); // there is an engine: finishing means that it was ready
    pump_tls();
    if (op_ || closing_) return; // comes back when the alert is out
  }
  fin_sent_ = true;
  auto* request = new uv_shutdown_t;
  request->data = this;
  auto rc = uv_shutdown(request, stream(), [](uv_shutdown_t* r, int status) {
    auto* self = static_cast<connection*>(r->data);
    delete r;
    // On a stop nobody waits for the peer: it has all that it will get.
    if (!self->closing_ && (status < 0 || self->eof_ || self->core_->stopping)) self->abort();
  });
  if (rc < 0) {
    delete request;
    return abort();
  }
  user_deadline_ = core_->now() + ms(core_->limits.linger) + 1;
  schedule();
}

void connection::abort() {
  if (closing_) return;
  closing_ = true;
  account();
  if (entry_) core_->erase_deadline(*entry_);
  entry_.reset();
  uv_close(&handle_.handle, [](uv_handle_t* h) {
    auto* self = static_cast<connection*>(h->data);
    auto core = self->core_;
    core->remove(*self);
    if (self->user_) self->user_->on_closed();
    delete self;
  });
}

void connection::pause() {
  if (paused_ || finishing_ || closing_) return;
  paused_ = true;
  resume_wanted_ = false;
  if (reading_) uv_read_stop(stream());
  reading_ = false;
}

void connection::resume() {
  if (!paused_) return;
  paused_ = false;
  resume_wanted_ = true;
  core_->mark(*this);
}

void connection::kick() {
  core_->mark(*this);
}

void connection::run_turn() {
  if (closing_) return;
  pump();
  if (resume_wanted_ && !paused_ && !closing_) {
    resume_wanted_ = false;
    if (tls_ && !finishing_) decrypt();
    if (!paused_) read_start();
  }
  if (user_ && !closing_ && !finishing_) user_->on_turn();
  if (!closing_ && !op_ && out_bytes_ > 0) core_->mark(*this);
}

void connection::set_deadline(std::chrono::milliseconds delay) {
  if (finishing_ || closing_) return;
  user_deadline_ = delay.count() > 0 ? core_->now() + ms(delay) : 0;
  schedule();
}

void connection::schedule() {
  auto at = user_deadline_ && stall_check_ ? std::min(user_deadline_, stall_check_)
                                           : std::max(user_deadline_, stall_check_);
  if (at == 0 || closing_) return; // an entry that is left wakes up and finds nothing to do
  if (entry_) {
    if ((*entry_)->first <= at) return;
    core_->erase_deadline(*entry_);
  }
  entry_ = core_->enter_deadline(at, *this);
}

void connection::run_deadline() {
  entry_.reset();
  auto now = core_->now();
  if (stall_check_ && stall_check_ <= now) check_stall();
  if (user_deadline_ && user_deadline_ <= now && !closing_) {
    user_deadline_ = 0;
    if (finishing_) {
      abort();
    } else if (!ready_ || !user_) {
      ++core_->stats.timeouts;
      abort();
    } else {
      user_->on_deadline();
    }
  }
  schedule();
}

void connection::check_stall() {
  stall_check_ = 0;
  if (queued() == 0) return;
  auto now = core_->now();
  auto taken = given_ - uv_stream_get_write_queue_size(stream());
  if (taken != taken_seen_) {
    taken_seen_ = taken;
    taken_at_ = now;
  }
  auto limit = ms(core_->limits.write_stall);
  if (now - taken_at_ >= limit) {
    ++core_->stats.stalled;
    return abort();
  }
  stall_check_ = std::min(now + limit / 4, taken_at_ + limit) + 1;
}

} // namespace podium::http_detail
