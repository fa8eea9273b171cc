#include "runtime/process/fd_watch.hpp"

#include <uv.h>

namespace podium {

struct fd_watch::state {
  uv_poll_t handle{};
  std::function<void()> readable;
};

fd_watch::fd_watch(event_loop& loop, int fd, std::function<void()> readable) : state_(new state) {
  state_->readable = std::move(readable);
  state_->handle.data = state_;
  if (uv_poll_init(loop.raw(), &state_->handle, fd) != 0) {
    delete std::exchange(state_, nullptr);
    return;
  }
  uv_poll_start(&state_->handle, UV_READABLE | UV_DISCONNECT, [](uv_poll_t* h, int, int) {
    auto f = static_cast<state*>(h->data)->readable; // a copy: the callee may end the watch
    if (f) f();
  });
}

fd_watch::~fd_watch() {
  if (state_ == nullptr) return;
  state_->readable = nullptr;
  uv_poll_stop(&state_->handle); // at once, so that the caller may close the descriptor
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->handle),
           [](uv_handle_t* h) { delete static_cast<state*>(h->data); });
}

} // namespace podium
