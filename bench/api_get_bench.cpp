// Loads the API with GETs of one path over kept TLS connections and prints what it saw as one JSON line.
//   api_get_bench get HOST PORT CA CERT KEY PATH CONNECTIONS SECONDS
// One thread and epoll, one request in flight on each connection: the number that counts is requests per
// second of the server's own CPU time, which the caller takes from /proc.
//   api_get_bench serve CERT KEY BYTES
// The raw limit to hold against it: epoll, OpenSSL and nothing else; whatever is asked, the answer is the
// same BYTES of body. Prints "ready PORT" and serves until its stdin ends.
#include "tls_peer.hpp"

#include <map>

using namespace bench;

namespace {

int fail(const char* what) {
  std::fprintf(stderr, "api_get_bench: %s\n", what);
  return 1;
}

// --- get ---

int get(char** arguments) {
  target to;
  if (!to.read(arguments)) return fail("HOST is no IPv4 address, or the certificates cannot be loaded");
  std::vector<peer> peers(static_cast<size_t>(std::max(1, std::atoi(arguments[6]))));
  int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  for (auto& p : peers) {
    if (!to.connect(p)) return fail("cannot connect");
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
  std::printf("{\"requests\": %zu, \"seconds\": %.3f, \"bytes\": %llu, \"p50_us\": %u, \"p99_us\": %u}\n",
              micros.size(), seconds, static_cast<unsigned long long>(bytes), percentile(micros, 0.5),
              percentile(micros, 0.99));
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
