// What the benchmark clients of the API share: a non-blocking TLS connection in an epoll set, and figures.
#pragma once
#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace bench {

using clock_type = std::chrono::steady_clock;

struct ssl_free {
  void operator()(SSL* s) const { SSL_free(s); }
  void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
};
using ssl_ptr = std::unique_ptr<SSL, ssl_free>;
using context_ptr = std::unique_ptr<SSL_CTX, ssl_free>;

/// A non-blocking connection in an epoll set; plain when it has no SSL.
struct peer {
  int fd = -1;
  ssl_ptr ssl;
  std::string input;
  clock_type::time_point asked;
  bool busy = false;

  ~peer() {
    if (fd >= 0) ::close(fd);
  }
  /// Takes in what has come; false when the connection is over.
  bool fill() {
    char chunk[16384];
    for (;;) {
      auto n = ssl ? SSL_read(ssl.get(), chunk, sizeof chunk)
                   : static_cast<int>(::recv(fd, chunk, sizeof chunk, 0));
      if (n <= 0) return ssl ? SSL_get_error(ssl.get(), n) == SSL_ERROR_WANT_READ : n < 0 && errno == EAGAIN;
      input.append(chunk, static_cast<size_t>(n));
    }
  }
  /// Small messages on a socket that nothing else waits in: they fit into its buffer.
  bool send(std::string_view text) {
    auto n = ssl ? SSL_write(ssl.get(), text.data(), static_cast<int>(text.size()))
                 : static_cast<int>(::send(fd, text.data(), text.size(), MSG_NOSIGNAL));
    return n == static_cast<int>(text.size());
  }
};

inline void make_ready(int fd) {
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

inline void watch(int epoll, int fd, void* what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = what;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

inline bool use_keys(SSL_CTX* context, const char* cert, const char* key) {
  return SSL_CTX_use_certificate_chain_file(context, cert) == 1
         && SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1;
}

/// Where to, and as whom: HOST PORT CA CERT KEY of a command line; CA "-" is without TLS.
struct target {
  sockaddr_in address{};
  context_ptr context;

  bool read(char** arguments) {
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(std::atoi(arguments[1])));
    if (::inet_pton(AF_INET, arguments[0], &address.sin_addr) != 1) return false;
    if (std::string_view{arguments[2]} == "-") return true;
    context.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    return SSL_CTX_load_verify_locations(context.get(), arguments[2], nullptr) == 1
           && use_keys(context.get(), arguments[3], arguments[4]);
  }
  bool connect(peer& p) const {
    p.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p.fd < 0 || ::connect(p.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return false;
    if (context) {
      p.ssl.reset(SSL_new(context.get()));
      SSL_set_fd(p.ssl.get(), p.fd);
      if (SSL_connect(p.ssl.get()) != 1) return false;
    }
    make_ready(p.fd);
    return true;
  }
};

/// Length of the first whole answer in `text`, 0 while it is not whole, -1 when it is no success with a
/// length.
inline ssize_t answer_length(std::string_view text) {
  auto end = text.find("\r\n\r\n");
  if (end == text.npos) return 0;
  auto at = text.find("Content-Length: ");
  if (!text.starts_with("HTTP/1.1 20") || at > end) return -1;
  auto length = std::strtoull(text.data() + at + 16, nullptr, 10); // ends at the "\r"
  return text.size() >= end + 4 + length ? static_cast<ssize_t>(end + 4 + length) : 0;
}

/// The value below which `part` of the values lie; sorts them.
inline uint32_t percentile(std::vector<uint32_t>& values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  auto at = static_cast<size_t>(part * static_cast<double>(values.size()));
  return values[std::min(values.size() - 1, at)];
}

} // namespace bench
