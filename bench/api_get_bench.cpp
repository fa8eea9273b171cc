// Loads the API with GETs of one path over kept TLS connections and prints what it saw as one JSON line.
//   api_get_bench get HOST PORT CA CERT KEY PATH CONNECTIONS SECONDS
// One thread and epoll, one request in flight on each connection: the number that counts is requests per
// second of the server's own CPU time, which the caller takes from /proc.
//   api_get_bench serve CERT KEY BYTES
// The raw limit to hold against it: epoll, OpenSSL and nothing else; whatever is asked, the answer is the
// same BYTES of body. Prints "ready PORT" and serves until its stdin ends.
#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <map>
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

namespace {

using clock_type = std::chrono::steady_clock;

struct ssl_free {
  void operator()(SSL* s) const { SSL_free(s); }
  void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
};
using ssl_ptr = std::unique_ptr<SSL, ssl_free>;
using context_ptr = std::unique_ptr<SSL_CTX, ssl_free>;

/// A non-blocking TLS connection in an epoll set.
struct peer {
  int fd = -1;
  ssl_ptr ssl;
  std::string input;
  clock_type::time_point asked;

  ~peer() {
    if (fd >= 0) ::close(fd);
  }
  /// Takes in what has come; false when the connection is over.
  bool fill() {
    char chunk[16384];
    for (;;) {
      int n = SSL_read(ssl.get(), chunk, sizeof chunk);
      if (n <= 0) return SSL_get_error(ssl.get(), n) == SSL_ERROR_WANT_READ;
      input.append(chunk, static_cast<size_t>(n));
    }
  }
  /// Small messages on a socket that nothing else waits in: they fit into its buffer.
  bool send(std::string_view text) {
    return SSL_write(ssl.get(), text.data(), static_cast<int>(text.size())) == static_cast<int>(text.size());
  }
};

void make_ready(int fd) {
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void watch(int epoll, int fd, void* what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = what;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

bool use_keys(SSL_CTX* context, const char* cert, const char* key) {
  return SSL_CTX_use_certificate_chain_file(context, cert) == 1
         && SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1;
}

int fail(const char* what) {
  std::fprintf(stderr, "api_get_bench: %s\n", what);
  return 1;
}

// --- get ---

/// Length of the first whole answer in `text`, 0 while it is not whole, -1 when it is no 200 with a length.
ssize_t answer_length(std::string_view text) {
  auto end = text.find("\r\n\r\n");
  if (end == text.npos) return 0;
  auto at = text.find("Content-Length: ");
  if (!text.starts_with("HTTP/1.1 200") || at > end) return -1;
  auto length = std::strtoull(text.data() + at + 16, nullptr, 10); // ends at the "\r"
  return text.size() >= end + 4 + length ? static_cast<ssize_t>(end + 4 + length) : 0;
}

bool connect_to(peer& p, SSL_CTX* context, const sockaddr_in& to) {
  p.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (p.fd < 0 || ::connect(p.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return false;
  p.ssl.reset(SSL_new(context));
  SSL_set_fd(p.ssl.get(), p.fd);
  if (SSL_connect(p.ssl.get()) != 1) return false;
  make_ready(p.fd);
  return true;
}

int get(char** arguments) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(arguments[1])));
  if (::inet_pton(AF_INET, arguments[0], &to.sin_addr) != 1) return fail("HOST is no IPv4 address");
  context_ptr context{SSL_CTX_new(TLS_client_method())};
  if (SSL_CTX_load_verify_locations(context.get(), arguments[2], nullptr) != 1
      || !use_keys(context.get(), arguments[3], arguments[4]))
    return fail("cannot load the certificates");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  std::vector<peer> peers(static_cast<size_t>(std::max(1, std::atoi(arguments[6]))));
  int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  for (auto& p : peers) {
    if (!connect_to(p, context.get(), to)) return fail("cannot connect");
    watch(epoll, p.fd, &p);
  }
  auto request = "GET " + std::string{arguments[5]} + " HTTP/1.1\r\nHost: " + arguments[0]
                 + "\r\nAccept: application/json\r\n\r\n";
  auto began = clock_type::now();
  auto end = began
             + std::chrono::duration_cast<clock_type::duration>(
                 std::chrono::duration<double>(std::atof(arguments[7])));
  auto ask = [&](peer& p) {
    p.asked = clock_type::now();
    return p.send(request);
  };
  for (auto& p : peers)
    if (!ask(p)) return fail("cannot send");
  std::vector<uint32_t> micros;
  uint64_t bytes = 0;
  for (auto now = began; now < end; now = clock_type::now()) {
    epoll_event events[64];
    int count = ::epoll_wait(epoll, events, 64, 100);
    for (int i = 0; i < count; ++i) {
      auto& p = *static_cast<peer*>(events[i].data.ptr);
      auto alive = p.fill();
      auto length = answer_length(p.input);
      if (!alive || length < 0) return fail("the server gave no 200 or closed the connection");
      if (length == 0) continue;
      bytes += static_cast<uint64_t>(length);
      p.input.erase(0, static_cast<size_t>(length));
      auto took = std::chrono::duration_cast<std::chrono::microseconds>(clock_type::now() - p.asked);
      micros.push_back(static_cast<uint32_t>(took.count()));
      if (!ask(p)) return fail("cannot send");
    }
  }
  double seconds = std::chrono::duration<double>(clock_type::now() - began).count();
  ::close(epoll);
  if (micros.empty()) return fail("no answer at all");
  std::sort(micros.begin(), micros.end());
  auto at = [&](double part) {
    return micros[std::min(micros.size() - 1,
                           static_cast<size_t>(part * static_cast<double>(micros.size())))];
  };
  std::printf("{\"requests\": %zu, \"seconds\": %.3f, \"bytes\": %llu, \"p50_us\": %u, \"p99_us\": %u}\n",
              micros.size(), seconds, static_cast<unsigned long long>(bytes), at(0.5), at(0.99));
  return 0;
}

// --- serve ---

int serve(char** arguments) {
  context_ptr context{SSL_CTX_new(TLS_server_method())};
  if (!use_keys(context.get(), arguments[0], arguments[1])) return fail("cannot load the certificate");
  std::string body(static_cast<size_t>(std::max(0, std::atoi(arguments[2]))), 'x');
  auto answer = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 64) != 0)
    return fail("cannot listen");
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("ready %u\n", static_cast<unsigned>(ntohs(address.sin_port)));
  std::fflush(stdout);
  int epoll = ::epoll_create1(EPOLL_CLOEXEC), standard_input = 0;
  watch(epoll, listener, &listener);
  watch(epoll, standard_input, &standard_input);
  std::map<peer*, std::unique_ptr<peer>> peers;
  for (;;) {
    epoll_event events[64];
    int count = ::epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr == &standard_input) return 0; // nothing is written there: it has ended
      if (events[i].data.ptr == &listener) {
        auto p = std::make_unique<peer>();
        p->fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        p->ssl.reset(SSL_new(context.get()));
        SSL_set_fd(p->ssl.get(), p->fd);
        SSL_set_accept_state(p->ssl.get());
        make_ready(p->fd);
        watch(epoll, p->fd, p.get());
        peers.emplace(p.get(), std::move(p));
        continue;
      }
      auto& p = *static_cast<peer*>(events[i].data.ptr);
      auto alive = p.fill();
      if (p.input.ends_with("\r\n\r\n")) {
        p.input.clear();
        alive = alive && p.send(answer);
      }
      if (!alive) peers.erase(&p);
    }
  }
}

} // namespace

int main(int argc, char** argv) {
  std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "get" && argc == 10) return get(argv + 2);
  if (mode == "serve" && argc == 5) return serve(argv + 2);
  std::fprintf(stderr, "usage: api_get_bench get HOST PORT CA CERT KEY PATH CONNECTIONS SECONDS\n"
                       "       api_get_bench serve CERT KEY BYTES\n");
  return 2;
}
