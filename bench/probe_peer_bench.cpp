// What is probed by ./dev bench probes, in containers: linked statically, so that it runs in any root.
//   usage: probe_peer_bench serve HTTP_PORT TCP_PORT TALK_PORT | probe_peer_bench stamp FILE
// serve answers HTTP on one port and closes what connects to the other, and notes when each connection came
// (nanoseconds of CLOCK_MONOTONIC); who connects to the third gets the notes, one a line: "h" or "t" and the
// time. stamp appends the time to a file.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

int64_t now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

int listen_on(const char* port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_ANY);
  a.sin_port = htons(static_cast<uint16_t>(std::atoi(port)));
  if (::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0 || ::listen(fd, 512) != 0) {
    std::perror("listen");
    std::exit(1);
  }
  return fd;
}

struct note {
  char kind;
  int64_t at;
};

void send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    auto n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

void tell(int listener, const std::vector<note>& notes) {
  int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  std::string text;
  for (auto& n : notes)
    text += n.kind + (" " + std::to_string(n.at)) + "\n";
  send_all(fd, text);
  ::close(fd);
}

int serve(const char* http, const char* tcp, const char* talk) {
  std::signal(SIGTERM, [](int) { std::_Exit(0); });
  constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
  const int http_fd = listen_on(http), tcp_fd = listen_on(tcp), talk_fd = listen_on(talk),
            poll = ::epoll_create1(EPOLL_CLOEXEC);
  auto watch = [&](int fd) {
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.fd = fd;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e);
  };
  for (int fd : {http_fd, tcp_fd, talk_fd})
    watch(fd);
  std::vector<note> notes;
  char buffer[4096];
  for (;;) {
    epoll_event ready[64];
    auto n = ::epoll_wait(poll, ready, 64, -1);
    auto at = now();
    for (int i = 0; i < n; ++i) {
      auto fd = ready[i].data.fd;
      if (fd == talk_fd) {
        tell(fd, notes);
      } else if (fd == http_fd || fd == tcp_fd) {
        int client;
        while ((client = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
          notes.push_back({fd == http_fd ? 'h' : 't', at});
          if (fd == http_fd)
            watch(client);
          else
            ::close(client);
        }
      } else {
        if (::recv(fd, buffer, sizeof buffer, 0) > 0) send_all(fd, answer);
        ::close(fd);
      }
    }
  }
}

int stamp(const char* file) {
  int fd = ::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  auto line = std::to_string(now()) + "\n";
  return ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "serve" && argc == 5) return serve(argv[2], argv[3], argv[4]);
  if (what == "stamp" && argc == 3) return stamp(argv[2]);
  std::fprintf(stderr,
               "usage: probe_peer_bench serve HTTP_PORT TCP_PORT TALK_PORT | probe_peer_bench stamp FILE\n");
  return 2;
}
