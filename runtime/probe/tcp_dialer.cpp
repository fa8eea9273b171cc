#include "runtime/probe/tcp_dialer.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <uv.h>

namespace podium {
namespace {

int pending_error(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

/// The address of a numeric host; family AF_UNSPEC when it is none.
sockaddr_storage address_of(const std::string& host, int port) {
  sockaddr_storage out{};
  if (uv_ip4_addr(host.c_str(), port, reinterpret_cast<sockaddr_in*>(&out)) == 0
      || uv_ip6_addr(host.c_str(), port, reinterpret_cast<sockaddr_in6*>(&out)) == 0)
    return out;
  return {};
}

/// 0 or an errno; nothing while it is not decided.
std::optional<int> start_connecting(int socket, const sockaddr* address) {
  auto size = address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (::connect(socket, address, static_cast<socklen_t>(size)) == 0) return 0;
  if (errno != EINPROGRESS && errno != EINTR) return errno;
  pollfd decided{socket, POLLOUT, 0};
  if (::poll(&decided, 1, 0) != 1) return {};
  return pending_error(socket);
}

} // namespace

std::string dial_reason(int errnum) {
  std::string text = std::strerror(errnum);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] + 32);
  return text;
}

bool is_address(const std::string& host) {
  return address_of(host, 0).ss_family != AF_UNSPEC;
}

std::string with_brackets(const std::string& host) {
  return host.find(':') == std::string::npos || host.starts_with('[') ? host : "[" + host + "]";
}

/// It owns itself until its handles are closed.
struct tcp_dialer::attempt {
  tcp_dialer* owner = nullptr;
  std::string target;
  unique_fd socket;
  uv_poll_t poll{};
  uv_getaddrinfo_t lookup{};
  uint64_t timer = 0;
  bool polling = false, looking_up = false, over = false;
  answer done;
};

void tcp_dialer::dial(const std::string& host, int port, std::chrono::nanoseconds timeout, answer done) {
  auto* a = new attempt;
  a->owner = this;
  a->target = with_brackets(host) + ":" + std::to_string(port);
  a->done = std::move(done);
  a->poll.data = a->lookup.data = a;
  attempts_.insert(a);
  auto address = address_of(host, port);
  if (address.ss_family != AF_UNSPEC) {
    if (!connect(a, &address)) return; // the usual attempt is over by now
  } else {
    a->looking_up = true;
    auto rc = uv_getaddrinfo(
        loop_.raw(), &a->lookup,
        [](uv_getaddrinfo_t* request, int status, addrinfo* found) {
          auto* x = static_cast<attempt*>(request->data);
          x->looking_up = false;
          if (x->over)
            delete x;
          else if (status != 0 || !found)
            x->owner->fail(x, "dial tcp: lookup " + x->target + ": no such host", false);
          else
            x->owner->connect(x, found->ai_addr);
          uv_freeaddrinfo(found);
        },
        host.c_str(), std::to_string(port).c_str(), nullptr);
    if (rc != 0) {
      a->looking_up = false;
      return fail(a, "dial tcp: lookup " + a->target + ": " + uv_strerror(rc), false);
    }
  }
  a->timer = loop_.after(timeout, [this, a] {
    a->timer = 0;
    fail(a, "dial tcp " + a->target + ": i/o timeout", true);
  });
}

bool tcp_dialer::connect(attempt* a, const void* address) {
  auto* to = static_cast<const sockaddr*>(address);
  a->socket.reset(::socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  auto decided = a->socket ? start_connecting(a->socket.get(), to) : std::optional<int>{errno};
  if (!decided)
    if (auto rc = uv_poll_init_socket(loop_.raw(), &a->poll, a->socket.get()); rc != 0) decided = -rc;
  if (decided) {
    finish(a, *decided);
    return false;
  }
  a->polling = true;
  uv_poll_start(&a->poll, UV_WRITABLE, [](uv_poll_t* handle, int, int) {
    auto* x = static_cast<attempt*>(handle->data);
    x->owner->finish(x, pending_error(x->socket.get()));
  });
  return true;
}

void tcp_dialer::finish(attempt* a, int error) {
  if (error != 0) return fail(a, "dial tcp " + a->target + ": connect: " + dial_reason(error), false);
  auto done = std::move(a->done);
  if (a->polling) uv_poll_stop(&a->poll); // before the socket is another's
  auto socket = std::move(a->socket);
  close(a);
  done({std::move(socket), {}, false});
}

void tcp_dialer::fail(attempt* a, std::string error, bool timed_out) {
  auto done = std::move(a->done);
  close(a);
  done({{}, std::move(error), timed_out});
}

void tcp_dialer::close(attempt* a) {
  attempts_.erase(a);
  a->over = true;
  if (a->timer != 0) loop_.cancel(a->timer);
  if (a->polling) {
    uv_poll_stop(&a->poll);
    a->socket.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&a->poll),
             [](uv_handle_t* handle) { delete static_cast<attempt*>(handle->data); });
  } else if (!a->looking_up) { // otherwise the lookup's end does it
    delete a;
  }
}

void tcp_dialer::stop() {
  while (!attempts_.empty())
    close(*attempts_.begin());
}

} // namespace podium
