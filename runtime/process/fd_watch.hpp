// Calls back on the loop thread whenever a descriptor is readable: pidfds, inotify, fifos, sync pipes.
#pragma once
#include "runtime/loop/event_loop.hpp"
#include <functional>

namespace podium {

class fd_watch {
public:
  /// Watches `fd`, which the caller keeps open longer than this object. Loop thread only.
  fd_watch(event_loop& loop, int fd, std::function<void()> readable);
  /// Ends the watch; the callback may do this.
  ~fd_watch();
  fd_watch(const fd_watch&) = delete;
  fd_watch& operator=(const fd_watch&) = delete;

private:
  struct state;
  state* state_;
};

} // namespace podium
