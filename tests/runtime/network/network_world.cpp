#include "network_world.hpp"
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <thread>

namespace podium::test {

namespace {

struct own_namespaces {
  own_namespaces() {
    if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0
        || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      throw std::runtime_error(std::string{"the network tests need root: "} + std::strerror(errno));
    unique_fd s{::socket(AF_INET, SOCK_DGRAM, 0)};
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    if (::ioctl(s.get(), SIOCSIFFLAGS, &request) != 0) throw std::runtime_error("cannot start lo");
  }
};

sockaddr_in address(const std::string& ip, uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  ::inet_pton(AF_INET, ip.c_str(), &a.sin_addr);
  return a;
}

std::string text_of(const sockaddr_in& a) {
  char buffer[INET_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET, &a.sin_addr, buffer, sizeof buffer);
  return buffer;
}

bool readable(int fd, int ms) {
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&p, 1, ms) == 1;
}

} // namespace

BOOST_TEST_GLOBAL_FIXTURE(own_namespaces);

void in_pod(const fs::path& netns, const std::function<void()>& f) {
  std::thread([&] {
    if (!netns.empty()) {
      unique_fd fd{::open(netns.c_str(), O_RDONLY | O_CLOEXEC)};
      if (::setns(fd.get(), CLONE_NEWNET) != 0) return;
    }
    f();
  }).join();
}

struct whoami::impl {
  std::thread thread;
};

whoami::whoami(const fs::path& netns, uint16_t port, bool udp) : stop_(::eventfd(0, EFD_CLOEXEC)) {
  in_pod(netns, [&] {
    socket_.reset(::socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int on = 1;
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    auto a = address("0.0.0.0", port);
    BOOST_REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
    if (!udp) BOOST_REQUIRE(::listen(socket_.get(), 16) == 0);
  });
  impl_ = std::make_unique<impl>();
  impl_->thread = std::thread([this, udp] { udp ? serve_udp() : serve_tcp(); });
}

whoami::~whoami() {
  uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof one);
  impl_->thread.join();
}

void whoami::serve_tcp() {
  while (true) {
    pollfd p[] = {{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    ::poll(p, 2, -1);
    if (p[1].revents) return;
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    unique_fd client{::accept(socket_.get(), reinterpret_cast<sockaddr*>(&peer), &size)};
    auto text = text_of(peer);
    if (client) (void)!::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
}

void whoami::serve_udp() {
  while (true) {
    pollfd p[] = {{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    ::poll(p, 2, -1);
    if (p[1].revents) return;
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    char c;
    if (::recvfrom(socket_.get(), &c, 1, 0, reinterpret_cast<sockaddr*>(&peer), &size) < 0) continue;
    auto text = text_of(peer);
    ::sendto(socket_.get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
  }
}

std::string ask(const fs::path& netns, const std::string& ip, uint16_t port, bool udp) {
  std::string result = "error: cannot enter the namespace";
  in_pod(netns, [&] {
    unique_fd s{::socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0)};
    timeval limit{.tv_sec = 3, .tv_usec = 0};
    ::setsockopt(s.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    auto a = address(ip, port);
    if (::connect(s.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) {
      result = std::string{"error: "} + std::strerror(errno);
      return;
    }
    if (udp) (void)!::send(s.get(), "?", 1, 0);
    char buffer[64];
    result = "error: no answer";
    if (!readable(s.get(), 3'000)) return;
    auto n = ::recv(s.get(), buffer, sizeof buffer, 0);
    result = n > 0 ? std::string(buffer, static_cast<size_t>(n)) : "error: no text";
  });
  return result;
}

size_t count_links() {
  auto* list = ::if_nameindex();
  size_t n = 0;
  for (auto* i = list; i->if_index; ++i) {
    std::string name = i->if_name;
    n += name.starts_with("veth") || name.ends_with("0")
             ? !name.starts_with("ifb") && name != "tunl0" && name != "sit0"
             : 0;
  }
  ::if_freenameindex(list);
  return n;
}

size_t count_pins(const fs::path& dir) {
  std::ifstream mounts{"/proc/self/mountinfo"};
  size_t n = 0;
  for (std::string line; std::getline(mounts, line);)
    n += line.find(dir.string()) != std::string::npos;
  return n;
}

size_t count_elements(const std::string& bridge) {
  auto* p = ::popen(("nft list table ip podium_" + bridge + " 2>/dev/null").c_str(), "r");
  size_t n = 0;
  char line[4'096];
  while (::fgets(line, sizeof line, p))
    for (auto* at = std::strstr(line, " : "); at; at = std::strstr(at + 1, " : "))
      ++n;
  ::pclose(p);
  // The two maps' type lines.
  return n < 2 ? 0 : n - 2;
}

} // namespace podium::test
