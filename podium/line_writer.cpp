#include "podium/line_writer.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>

namespace podium {
namespace {

constexpr size_t max_lines = 10'000;

/// All of it, however long it takes; what the other end refuses is lost.
void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    auto n = ::write(fd, text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      pollfd room{fd, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

} // namespace

std::shared_ptr<line_writer> line_writer::start(int fd) {
  std::shared_ptr<line_writer> self{new line_writer(::fcntl(fd, F_DUPFD_CLOEXEC, 3))};
  // Nobody waits for this thread: it may be in a write that never ends.
  std::thread([self] { self->run(); }).detach();
  return self;
}

line_writer::~line_writer() {
  if (fd_ >= 0) ::close(fd_);
}

void line_writer::add(std::string line) {
  std::lock_guard guard{mutex_};
  if (over_) return;
  if (lines_.size() >= max_lines) lines_.pop_front();
  lines_.push_back(std::move(line) + "\n");
  ready_.notify_one();
}

bool line_writer::finish(std::chrono::milliseconds limit) {
  std::unique_lock guard{mutex_};
  over_ = true;
  ready_.notify_one();
  auto out = idle_.wait_for(guard, limit, [this] { return lines_.empty() && !writing_; });
  lines_.clear();
  return out;
}

void line_writer::run() {
  // A reader that has gone is no reason for the process to go.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  for (;;) {
    std::unique_lock guard{mutex_};
    writing_ = false;
    if (lines_.empty()) idle_.notify_all();
    ready_.wait(guard, [this] { return over_ || !lines_.empty(); });
    if (lines_.empty()) return;
    auto line = std::move(lines_.front());
    lines_.pop_front();
    writing_ = true;
    guard.unlock();
    write_all(fd_, line);
  }
}

} // namespace podium
