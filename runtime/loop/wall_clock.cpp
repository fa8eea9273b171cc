#include "runtime/loop/wall_clock.hpp"

#include <limits>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

namespace podium {
namespace {

struct clock_watch {
  uv_poll_t poll{};
  int fd = -1;
  env_ptr env;
};

/// A timer that never rings, but is cancelled when the clock is set.
void arm(int fd) {
  itimerspec never{};
  never.it_value.tv_sec = std::numeric_limits<int32_t>::max();
  timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr);
}

} // namespace

nanoseconds measure_epoch_offset() {
  return std::chrono::system_clock::now().time_since_epoch()
         - std::chrono::steady_clock::now().time_since_epoch();
}

void follow_wall_clock(event_loop& loop, env_ptr env) {
  env->epoch.set_offset(measure_epoch_offset());
  loop.run([&loop, env] {
    auto fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0) return;
    arm(fd);
    auto* watch = new clock_watch{{}, fd, env};
    watch->poll.data = watch;
    uv_poll_init(loop.raw(), &watch->poll, fd);
    uv_poll_start(&watch->poll, UV_READABLE, [](uv_poll_t* poll, int, int) {
      auto* self = static_cast<clock_watch*>(poll->data);
      uint64_t count = 0;
      // The read fails with ECANCELED when the clock was set; either way the offset is measured anew.
      [[maybe_unused]] auto n = ::read(self->fd, &count, sizeof count);
      self->env->epoch.set_offset(measure_epoch_offset());
      arm(self->fd);
    });
    loop.at_stop([watch] {
      uv_close(reinterpret_cast<uv_handle_t*>(&watch->poll), [](uv_handle_t* h) {
        auto* self = static_cast<clock_watch*>(h->data);
        ::close(self->fd);
        delete self;
      });
    });
  });
}

} // namespace podium
