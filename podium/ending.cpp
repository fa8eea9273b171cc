#include "podium/ending.hpp"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <system_error>
#include <unistd.h>

namespace podium {

ending::ending() {
  sigset_t set;
  sigemptyset(&set);
  for (auto number : {SIGINT, SIGTERM, SIGUSR2})
    sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (signals_ < 0 || wake_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
  reader_ = std::jthread([this](const std::stop_token& over) { read_signals(over); });
}

ending::~ending() {
  reader_.request_stop();
  ::eventfd_write(wake_, 1);
  reader_.join();
  ::close(signals_);
  ::close(wake_);
}

void ending::read_signals(const std::stop_token& over) {
  while (!over.stop_requested()) {
    pollfd both[] = {{signals_, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (::poll(both, 2, -1) < 0 && errno != EINTR) return;
    signalfd_siginfo info{};
    while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
      note(info.ssi_signo == SIGINT    ? end_cause::interrupt
           : info.ssi_signo == SIGTERM ? end_cause::terminate
                                       : end_cause::down);
  }
}

void ending::note(end_cause cause) {
  bool first = false;
  {
    std::lock_guard guard{mutex_};
    first = !cause_;
    if (first) cause_ = cause;
    changed_.notify_all();
  }
  if (cause == end_cause::down) return;
  stop_.request_stop();
  if (!first || cause == end_cause::failure) hurry_.request_stop();
}

void ending::fail() {
  note(end_cause::failure);
}

end_cause ending::wait() {
  std::unique_lock guard{mutex_};
  changed_.wait(guard, [this] { return cause_.has_value(); });
  return *cause_;
}

std::optional<end_cause> ending::cause() const {
  std::lock_guard guard{mutex_};
  return cause_;
}

} // namespace podium
