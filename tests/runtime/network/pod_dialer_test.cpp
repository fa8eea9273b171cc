// Connections into a network namespace whose listener is bound to its own loopback.
#include "core/error.hpp"
#include "runtime/network/namespaces.hpp"
#include "runtime/network/pod_dialer.hpp"

#include <arpa/inet.h>
#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <filesystem>
#include <future>
#include <net/if.h>
#include <netinet/in.h>
#include <optional>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

using namespace podium;
using namespace std::chrono_literals;

namespace {

struct dialer_fixture {
  dialer_fixture() {
    char name[] = "/tmp/podium-dialer-test-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(name));
    directory = name;
    netns = directory + "/net";
    auto made = make_network_namespace(netns);
    BOOST_REQUIRE_MESSAGE(made, (made ? "" : message_of(made.error())));
    inside([] {
      unique_fd fd{::socket(AF_INET, SOCK_DGRAM, 0)};
      ifreq up{};
      std::string{"lo"}.copy(up.ifr_name, sizeof up.ifr_name - 1);
      up.ifr_flags = IFF_UP;
      BOOST_TEST(::ioctl(fd.get(), SIOCSIFFLAGS, &up) == 0);
    });
  }
  ~dialer_fixture() {
    loop.run([this] { attempt.reset(); });
    dialer.reset();
    (void)remove_network_namespace(netns);
    std::error_code ec;
    std::filesystem::remove_all(directory, ec);
  }
  void inside(const std::function<void()>& f) const {
    std::thread([&] {
      unique_fd ns{::open(netns.c_str(), O_RDONLY | O_CLOEXEC)};
      if (::setns(ns.get(), CLONE_NEWNET) == 0) f();
    }).join();
  }
  /// A listener of the namespace; `port` gets its number.
  unique_fd listen(int family) {
    unique_fd fd;
    inside([&] {
      fd.reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in v4{};
      v4.sin_family = AF_INET;
      v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      sockaddr_in6 v6{};
      v6.sin6_family = AF_INET6;
      v6.sin6_addr = in6addr_loopback;
      bool four = family == AF_INET;
      socklen_t size = four ? sizeof v4 : sizeof v6;
      auto* address = four ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
      BOOST_TEST(::bind(fd.get(), address, size) == 0);
      BOOST_TEST(::listen(fd.get(), 5) == 0);
      ::getsockname(fd.get(), address, &size);
      port = ntohs(four ? v4.sin_port : v6.sin6_port);
    });
    return fd;
  }
  caf::expected<unique_fd> dial(const std::string& where, uint16_t number) {
    std::promise<caf::expected<unique_fd>> promise;
    loop.post([&] {
      attempt = dialer->connect(where, number,
                                [&](caf::expected<unique_fd> fd) { promise.set_value(std::move(fd)); });
    });
    return promise.get_future().get();
  }

  event_loop loop;
  std::optional<pod_dialer> dialer{std::in_place, loop};
  std::shared_ptr<void> attempt; ///< loop thread
  std::string directory, netns;
  uint16_t port = 0;
};

} // namespace

BOOST_AUTO_TEST_SUITE(pod_dialer_suite)

BOOST_FIXTURE_TEST_CASE(what_listens_on_loopback_alone_is_reached, dialer_fixture) {
  for (auto family : {AF_INET, AF_INET6}) {
    auto listener = listen(family);
    if (port == 0) continue; // a kernel without IPv6
    auto fd = dial(netns, port);
    BOOST_REQUIRE_MESSAGE(fd, (fd ? "" : message_of(fd.error())));
    unique_fd peer{::accept(listener.get(), nullptr, nullptr)};
    BOOST_TEST(::send(peer.get(), "hello", 5, 0) == 5);
    // The socket does not block, and is readable when the bytes are there: on loopback they are.
    char buffer[8];
    BOOST_TEST(::recv(fd->get(), buffer, sizeof buffer, 0) == 5);
    // Here nobody listens there.
    BOOST_TEST(!dial("", port));
  }
}

BOOST_FIXTURE_TEST_CASE(a_refusal_says_both_addresses, dialer_fixture) {
  auto fd = dial(netns, 9);
  BOOST_REQUIRE(!fd);
  BOOST_TEST(message_of(fd.error())
                 .starts_with("IPv4: dial tcp4 127.0.0.1:9: connect: connection refused "
                              "IPv6 dial tcp6 [::1]:9: "),
             message_of(fd.error()));
  auto gone = dial(directory + "/nothing", 9);
  BOOST_REQUIRE(!gone);
  BOOST_TEST(message_of(gone.error()).find("network namespace: no such file or directory")
             != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(who_gives_up_hears_nothing, dialer_fixture) {
  auto listener = listen(AF_INET);
  std::atomic<int> called = 0;
  loop.run([&] {
    for (int i = 0; i < 50; ++i)
      (void)dialer->connect(netns, port, [&](auto) { ++called; }); // dropped at once
  });
  // The threads of the dialer work in order: when this one is through, those before were, too.
  BOOST_TEST(static_cast<bool>(dial(netns, port)));
  BOOST_TEST(called == 0);
}

BOOST_AUTO_TEST_SUITE_END()
