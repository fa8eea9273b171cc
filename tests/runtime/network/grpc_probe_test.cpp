// gRPC probes against real gRPC servers (Debian's python3-grpcio), and against peers that lie.
#include "network_world.hpp"
#include "runtime/probe/grpc_health.hpp"
#include "runtime/probe/network_prober.hpp"
#include "runtime/process/spawn.hpp"
#include <boost/test/unit_test.hpp>
#include <future>
#include <map>
#include <netinet/in.h>
#include <sstream>
#include <sys/wait.h>

using namespace podium;
using namespace podium::test;
using namespace std::chrono_literals;

namespace {

// The servers of grpc_peers.py, for all cases of this file.
struct peers {
  std::map<std::string, int> ports;
  unique_fd input;
  spawned_process child;

  peers() {
    auto in = make_pipe(), out = make_pipe();
    BOOST_REQUIRE(in);
    BOOST_REQUIRE(out);
    spawn_request request;
    // Debian's python3 has Debian's packages; another one first on PATH has not.
    request.argv = {"/usr/bin/python3", PODIUM_SOURCE_DIR "/tests/runtime/network/grpc_peers.py"};
    request.env = current_environment();
    request.stdin_fd = in->first.get();
    request.stdout_fd = out->second.get();
    request.stderr_fd = STDERR_FILENO;
    auto started = spawn_process(request);
    BOOST_REQUIRE(started);
    child = std::move(*started);
    input = std::move(in->second);
    out->second.reset();
    std::string text;
    char buffer[4'096];
    for (ssize_t n;
         text.find("ready\n") == text.npos && (n = ::read(out->first.get(), buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(n));
    BOOST_REQUIRE_MESSAGE(text.find("ready\n") != text.npos,
                          "no gRPC servers: ./dev setup test installs python3-grpcio");
    std::istringstream lines{text};
    std::string name;
    for (int port; lines >> name >> port;)
      ports[name] = port;
  }
  ~peers() {
    input.reset();
    int status = 0;
    ::waitpid(child.pid, &status, 0);
  }
};

struct world {
  event_loop loop;
  std::optional<http_client> client;
  std::optional<network_prober> prober;
  world() {
    client.emplace(loop);
    prober.emplace(loop, *client);
  }
  ~world() {
    prober.reset();
    client.reset();
    loop.stop();
  }
  probe_outcome ask(int port, const std::string& service, std::chrono::milliseconds timeout) {
    std::promise<probe_outcome> p;
    loop.post([&] {
      prober->grpc({port, service}, "127.0.0.1", timeout, [&](probe_outcome x) { p.set_value(x); });
    });
    return p.get_future().get();
  }
};

struct row {
  const char* peer;
  const char* service;
  std::chrono::milliseconds timeout;
  std::string says; ///< "*" at an end stands for anything
};

const std::string
    failed = "error: health rpc probe failed: rpc error: code = ",
    not_served = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ",
    unreached = "timeout: failed to connect service \"127.0.0.1:PORT\" within ",
    late = "timeout: health rpc did not complete within ";

const std::vector<row> rows{
    // what a real server says
    {"health", "", 5s, "service healthy"},
    {"health", "up", 5s, "service healthy"},
    {"health", "more", 5s, "service healthy"},
    {"health", "down", 5s, "service unhealthy (responded with \"NOT_SERVING\")"},
    {"health", "unknown", 5s, "service unhealthy (responded with \"UNKNOWN\")"},
    {"health", "odd", 5s, "service unhealthy (responded with \"9\")"},
    {"health", "nobody", 5s, failed + "NotFound desc = unknown service"},
    {"health", "percent", 5s, failed + "PermissionDenied desc = 100 % für dich\n"},
    {"health", "who", 5s, failed + "FailedPrecondition desc = kube-probe/1.32, True"},
    {"health", "gzip", 5s, not_served + "grpc: Decompressor is not installed for grpc-encoding \"gzip\""},
    {"health", "broken", 5s, failed + "Internal desc = grpc: failed to unmarshal the received message*"},
    {"health", "long", 5s,
     failed + "ResourceExhausted desc = grpc: received message larger than max (5005 vs. 4096)"},
    {"health", "slow", 300ms, late + "300ms"},
    {"bare", "", 5s, not_served + "Method not found!"},
    // peers that are no gRPC servers
    {"silent", "", 300ms, unreached + "300ms: context deadline exceeded"},
    {"closing", "", 300ms, unreached + "300ms: context deadline exceeded"},
    {"nowhere", "", 300ms, unreached + "300ms: context deadline exceeded"},
    {"http1", "", 5s, failed + "Unavailable desc = *"},
    {"garbage", "", 5s, failed + "Unavailable desc = *"},
    {"web", "", 5s,
     not_served
         + "unexpected HTTP status code received from server: 404 (Not Found); transport: received "
           "unexpected "
           "content-type \"text/html\""},
    {"no-type", "", 5s, failed + "Unknown desc = malformed header: missing HTTP content-type"},
    {"busy", "", 5s,
     failed
         + "Unavailable desc = unexpected HTTP status code received from server: 503 (Service Unavailable)"},
    // and ones that lie
    {"by-hand", "", 5s, "service healthy"},
    {"goodbye", "", 5s, failed + "Unavailable desc = *"},
    {"stuck", "", 300ms, late + "300ms"},
    {"halfway", "", 5s, failed + "Unavailable desc = error reading from server: *"},
    {"flag", "", 5s, failed + "Internal desc = grpc: compressed flag set with identity or empty encoding"},
    {"format", "", 5s, failed + "Internal desc = grpc: received unexpected payload format 7"},
    {"large", "", 5s,
     failed + "ResourceExhausted desc = grpc: received message larger than max (1073741824 vs. 4096)"},
    {"short", "", 5s, failed + "Internal desc = unexpected EOF"},
    {"twice", "", 5s, failed + "Internal desc = the answer holds more than one message"},
    {"empty", "", 5s, failed + "Internal desc = the answer holds no message"},
    {"endless", "", 5s,
     failed + "ResourceExhausted desc = grpc: received message larger than max (2147483648 vs. 4096)"},
    {"fields", "", 5s, failed + "*"},
    {"no-status", "", 5s, failed + "Unknown desc = the answer has no grpc-status"},
    {"bad-status", "", 5s, failed + "Internal desc = transport: malformed grpc-status: \"seven\""},
    {"new-status", "", 5s, failed + "Code(77) desc = 100%"},
};

bool fits(std::string pattern, const std::string& text, int port) {
  if (auto at = pattern.find("PORT"); at != pattern.npos) pattern.replace(at, 4, std::to_string(port));
  auto star = pattern.find('*');
  if (star == pattern.npos) return text == pattern;
  return text.starts_with(pattern.substr(0, star)) && text.ends_with(pattern.substr(star + 1));
}

} // namespace

BOOST_AUTO_TEST_SUITE(grpc_probe_suite)

BOOST_AUTO_TEST_CASE(answers_of_all_kinds_of_peers) {
  peers all;
  all.ports["nowhere"] = 1;
  world w;
  for (auto& r : rows) {
    auto got = w.ask(all.ports.at(r.peer), r.service, r.timeout);
    bool healthy = r.says == "service healthy";
    BOOST_TEST((got.verdict == (healthy ? probe_verdict::success : probe_verdict::failure)), r.peer);
    BOOST_TEST(fits(r.says, got.output, all.ports.at(r.peer)),
               r.peer << " " << r.service << ": " << got.output);
  }
}

BOOST_AUTO_TEST_CASE(a_server_that_comes_up_within_the_time_out_is_found) {
  world w;
  // Bound and not listening yet: refused.
  unique_fd later{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  BOOST_REQUIRE(::bind(later.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
  socklen_t size = sizeof a;
  ::getsockname(later.get(), reinterpret_cast<sockaddr*>(&a), &size);
  std::promise<probe_outcome> p;
  std::promise<void> listening;
  auto began = std::chrono::steady_clock::now();
  w.loop.post([&] {
    w.prober->grpc({ntohs(a.sin_port), ""}, "127.0.0.1", 10s, [&](probe_outcome x) { p.set_value(x); });
    w.loop.after(200ms, [&] {
      ::listen(later.get(), 8);
      listening.set_value();
    });
  });
  listening.get_future().wait();
  unique_fd client{::accept4(later.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  // The head of a frame is enough to be a server; then the connection ends.
  const char settings[9] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
  (void)!::send(client.get(), settings, sizeof settings, MSG_NOSIGNAL);
  ::shutdown(client.get(), SHUT_WR);
  auto got = p.get_future().get();
  auto took = std::chrono::steady_clock::now() - began;
  BOOST_TEST(got.output.starts_with(failed + "Unavailable"), got.output);
  BOOST_TEST((took >= 1s && took < 9s));
}

BOOST_AUTO_TEST_CASE(ends_with_probes_under_way) {
  peers all;
  world w;
  w.loop.run([&] {
    for (auto* peer : {"silent", "stuck"})
      for (int i = 0; i < 10; ++i)
        w.prober->grpc({all.ports.at(peer), ""}, "127.0.0.1", 60s, [](probe_outcome) {});
    w.prober->grpc({1, ""}, "127.0.0.1", 60s, [](probe_outcome) {});
  });
  // One of them waits for its second try by now.
  auto refused = w.ask(1, "", 100ms);
  BOOST_TEST((refused.verdict == probe_verdict::failure));
}

BOOST_AUTO_TEST_CASE(requests_and_back_off) {
  auto request = grpc_health_request("[fd00::1]:9", std::string(200, 's'), 1500us);
  BOOST_TEST(request.url == "http://[fd00::1]:9/grpc.health.v1.Health/Check");
  std::string head{"\0\0\0\0\xcb\x0a\xc8\x01", 8};
  BOOST_TEST((request.body.starts_with(head) && request.body.size() == head.size() + 200));
  BOOST_TEST((grpc_health_request("a:1", "", 1s).body == std::string(5, '\0')));
  BOOST_TEST(request.headers.back().second == "2m");
  BOOST_TEST(grpc_health_request("a:1", "", std::chrono::seconds{1 << 30}).headers.back().second
             == "99999999S");
  BOOST_TEST((grpc_connect_back_off(0) == 1s));
  BOOST_TEST((grpc_connect_back_off(2) == 2560ms));
}

BOOST_AUTO_TEST_SUITE_END()
