#include "runtime/network/pod_dialer.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <uv.h>

namespace podium {
namespace {

/// A listener whose queue is full does not answer at all.
constexpr auto connect_time = std::chrono::seconds{30};

/// A socket that is made in one network namespace stays there, whoever uses it.
struct made_socket {
  unique_fd fd;
  std::string problem;
};
using made_sockets = std::array<made_socket, 2>; ///< IPv4, IPv6

std::string text_of(int number) {
  std::string text = std::strerror(number);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

made_socket make_socket(int family) {
  made_socket out{unique_fd{::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)}, {}};
  if (!out.fd) out.problem = "socket: " + text_of(errno);
  return out;
}

made_sockets refused(const std::string& problem) {
  made_sockets out;
  for (auto& s : out)
    s.problem = problem;
  return out;
}

made_sockets make_sockets_in(const std::string& netns) {
  if (!netns.empty()) {
    unique_fd ns{::open(netns.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!ns || ::setns(ns.get(), CLONE_NEWNET) != 0) return refused("network namespace: " + text_of(errno));
  }
  return {make_socket(AF_INET), make_socket(AF_INET6)};
}

/// Blocks for the life of a thread. The thread ends afterwards: nothing has to be put back, and nothing can
/// be put back wrongly.
made_sockets make_sockets(const std::string& netns) {
  made_sockets out;
  try {
    std::thread([&] { out = make_sockets_in(netns); }).join();
  } catch (const std::system_error& e) { // as many threads as the machine allows are there
    return refused(std::string{"thread: "} + e.what());
  }
  return out;
}

class attempt : public std::enable_shared_from_this<attempt> {
public:
  attempt(event_loop& loop, uint16_t port, pod_dialer::answer done)
      : loop_(loop), port_(port), done_(std::move(done)) {}
  ~attempt() { stop(); }

  void go_on(made_sockets sockets) {
    sockets_ = std::move(sockets);
    next();
  }
  void fail(caf::error why) {
    stop();
    if (auto f = std::exchange(done_, {})) f(std::move(why));
  }

private:
  struct watch {
    uv_poll_t handle{};
    attempt* owner = nullptr;
  };

  /// Tries the next family; the last failure ends it.
  void next() {
    stop();
    while (at_ < sockets_.size()) {
      auto& s = sockets_[at_];
      if (!s.problem.empty()) {
        ++at_;
        continue;
      }
      auto rc = start(s.fd.get());
      if (rc == 0) return connected();
      if (rc == EINPROGRESS) {
        if (wait(s.fd.get())) return;
        rc = EIO;
      }
      failed(rc);
    }
    fail(make_error(errc::unavailable,
                    "IPv4: dial tcp4 127.0.0.1:" + std::to_string(port_) + ": " + sockets_[0].problem
                        + " IPv6 dial tcp6 [::1]:" + std::to_string(port_) + ": " + sockets_[1].problem));
  }
  int start(int fd) const {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port_);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port_);
    v6.sin6_addr = in6addr_loopback;
    int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto rc = at_ == 0 ? ::connect(fd, reinterpret_cast<sockaddr*>(&v4), sizeof v4)
                       : ::connect(fd, reinterpret_cast<sockaddr*>(&v6), sizeof v6);
    return rc == 0 ? 0 : errno;
  }
  bool wait(int fd) {
    watch_ = new watch;
    watch_->owner = this;
    watch_->handle.data = watch_;
    if (uv_poll_init(loop_.raw(), &watch_->handle, fd) != 0) {
      delete std::exchange(watch_, nullptr);
      return false;
    }
    uv_poll_start(&watch_->handle, UV_WRITABLE, [](uv_poll_t* h, int, int) {
      if (auto* owner = static_cast<watch*>(h->data)->owner) owner->writable();
    });
    timer_ = loop_.after(connect_time, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (!self) return;
      self->timer_ = 0;
      self->failed(ETIMEDOUT);
      self->next();
    });
    return true;
  }
  void writable() {
    auto keep = shared_from_this();
    int problem = 0;
    socklen_t size = sizeof problem;
    ::getsockopt(sockets_[at_].fd.get(), SOL_SOCKET, SO_ERROR, &problem, &size);
    if (problem == 0) return connected();
    failed(problem);
    next();
  }
  void failed(int number) { sockets_[at_++].problem = "connect: " + text_of(number); }
  void connected() {
    stop(); // the watch must be gone before its descriptor goes
    auto fd = std::move(sockets_[at_].fd);
    if (auto f = std::exchange(done_, {})) f(std::move(fd));
  }
  void stop() {
    if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
    auto* w = std::exchange(watch_, nullptr);
    if (!w) return;
    w->owner = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&w->handle),
             [](uv_handle_t* h) { delete static_cast<watch*>(h->data); });
  }

  event_loop& loop_;
  const uint16_t port_;
  pod_dialer::answer done_;
  made_sockets sockets_;
  size_t at_ = 0;
  watch* watch_ = nullptr;
  uint64_t timer_ = 0;
};

} // namespace

std::shared_ptr<void> pod_dialer::connect(const std::string& netns, uint16_t port, answer done) {
  if (!pool_) pool_.emplace(loop_, 1, 256);
  auto one = std::make_shared<attempt>(loop_, port, std::move(done));
  auto made = std::make_shared<made_sockets>();
  std::weak_ptr<attempt> weak = one;
  auto taken = pool_->submit([netns, made] { *made = make_sockets(netns); },
                             [weak, made] {
                               if (auto self = weak.lock()) self->go_on(std::move(*made));
                             });
  if (!taken)
    loop_.post([weak] {
      if (auto self = weak.lock())
        self->fail(make_error(errc::unavailable, "too many connections wait to be made"));
    });
  return one;
}

} // namespace podium
