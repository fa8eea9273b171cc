#include "runtime/process/fd_stream.hpp"

#include <uv.h>

namespace podium {

/// What libuv points at; it lives until the handle's close callback, longer than the fd_stream if need be.
struct fd_stream::state {
  uv_pipe_t handle{};
  fd_stream* owner = nullptr;
  kind type = kind::pipe;
  std::function<void(std::string_view)> data;
  std::function<void()> end, drain;
  size_t queued = 0;
  bool reading = false, wants_reading = false, ended = false, finishing = false, finished = false;
  char buffer[65536];

  struct write_request {
    uv_write_t request{};
    std::string bytes;
    state* self = nullptr;
  };
  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle); }

  void end_of_file() {
    if (ended) return;
    ended = true;
    uv_read_stop(stream());
    reading = false;
    auto f = std::move(end);
    data = nullptr;
    if (f) f(); // the owner may be gone afterwards
  }

  void written() {
    if (owner == nullptr) return;
    if (queued == 0 && finishing) {
      owner->pump();
      return;
    }
    if (queued == 0 && drain) {
      auto f = drain;
      f();
    }
  }
};

fd_stream::fd_stream(event_loop& loop, unique_fd fd, kind k) : state_(new state) {
  state_->owner = this;
  state_->type = k;
  uv_pipe_init(loop.raw(), &state_->handle, 0);
  state_->handle.data = state_;
  int number = fd.release();
  if (uv_pipe_open(&state_->handle, number) != 0) {
    ::close(number);
    close();
  }
}

fd_stream::~fd_stream() {
  close();
}

void fd_stream::read(std::function<void(std::string_view)> data, std::function<void()> end) {
  if (!state_) return end ? end() : void();
  state_->data = std::move(data);
  state_->end = std::move(end);
  resume();
}

void fd_stream::pause() {
  if (!state_ || !state_->reading) return;
  state_->reading = false;
  uv_read_stop(state_->stream());
}

void fd_stream::resume() {
  if (!state_ || state_->reading || state_->ended || !state_->data) return;
  state_->reading = true;
  int failed = uv_read_start(
      state_->stream(),
      [](uv_handle_t* h, size_t, uv_buf_t* buffer) {
        auto* s = static_cast<state*>(h->data);
        *buffer = uv_buf_init(s->buffer, sizeof s->buffer);
      },
      [](uv_stream_t* h, ssize_t n, const uv_buf_t*) {
        auto* s = static_cast<state*>(h->data);
        if (n > 0 && s->data) {
          auto f = s->data; // the callee may close us
          f(std::string_view{s->buffer, static_cast<size_t>(n)});
        } else if (n < 0) {
          s->end_of_file();
        }
      });
  if (failed != 0) state_->end_of_file();
}

void fd_stream::write(std::string bytes) {
  if (!state_ || state_->finishing || bytes.empty()) return;
  auto* r = new state::write_request;
  r->bytes = std::move(bytes);
  r->self = state_;
  r->request.data = r;
  state_->queued += r->bytes.size();
  uv_buf_t buffer = uv_buf_init(r->bytes.data(), static_cast<unsigned>(r->bytes.size()));
  int failed = uv_write(&r->request, state_->stream(), &buffer, 1, [](uv_write_t* w, int) {
    std::unique_ptr<state::write_request> done{static_cast<state::write_request*>(w->data)};
    done->self->queued -= done->bytes.size();
    done->self->written();
  });
  if (failed != 0) {
    state_->queued -= r->bytes.size();
    delete r;
  }
}

size_t fd_stream::queued_bytes() const {
  return state_ ? state_->queued : 0;
}

void fd_stream::on_drain(std::function<void()> f) {
  if (state_) state_->drain = std::move(f);
}

void fd_stream::finish_writing() {
  if (!state_ || state_->finishing) return;
  state_->finishing = true;
  pump();
}

/// Carries out finish_writing() once the queue is empty.
void fd_stream::pump() {
  if (!state_ || !state_->finishing || state_->finished || state_->queued != 0) return;
  state_->finished = true;
  if (state_->type == kind::pipe) return close();
  auto* request = new uv_shutdown_t;
  if (uv_shutdown(request, state_->stream(), [](uv_shutdown_t* r, int) { delete r; }) != 0) delete request;
}

void fd_stream::close() {
  if (!state_) return;
  auto* s = std::exchange(state_, nullptr);
  s->owner = nullptr;
  s->data = nullptr;
  s->end = nullptr;
  s->drain = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&s->handle),
           [](uv_handle_t* h) { delete static_cast<state*>(h->data); });
}

} // namespace podium
