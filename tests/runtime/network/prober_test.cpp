#include "network_world.hpp"
#include "runtime/probe/network_prober.hpp"
#include "runtime/probe/probe_executor.hpp"
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <future>
#include <map>
#include <netinet/in.h>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>

using namespace podium;
using namespace podium::test;

BOOST_AUTO_TEST_SUITE(network_prober_suite)

namespace {

// Answers each path with fixed bytes and remembers the requests.
struct http_server {
  std::map<std::string, std::string> answers;
  std::string last_request;
  std::atomic<unsigned> requests{0};
  uint16_t port = 0;
  unique_fd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}, stop{::eventfd(0, EFD_CLOEXEC)};
  std::vector<unique_fd> silent;
  std::thread thread;

  http_server() {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener.get(), reinterpret_cast<sockaddr*>(&a), sizeof a);
    ::listen(listener.get(), 64);
    socklen_t size = sizeof a;
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&a), &size);
    port = ntohs(a.sin_port);
  }
  void start() {
    thread = std::thread([this] {
      while (true) {
        pollfd p[] = {{listener.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}};
        ::poll(p, 2, -1);
        if (p[1].revents) return;
        unique_fd client{::accept(listener.get(), nullptr, nullptr)};
        std::string text;
        char buffer[4'096];
        for (ssize_t n;
             text.find("\r\n\r\n") == text.npos && (n = ::recv(client.get(), buffer, sizeof buffer, 0)) > 0;)
          text.append(buffer, static_cast<size_t>(n));
        if (text.size() < 16) continue; // a TCP probe comes and goes
        last_request = text;
        ++requests;
        auto path = text.substr(4, text.find(' ', 4) - 4);
        if (!answers.contains(path)) {
          silent.push_back(std::move(client));
          continue;
        }
        auto& answer = answers[path];
        (void)!::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
        if (path == "/stuck") silent.push_back(std::move(client));
      }
    });
  }
  ~http_server() {
    uint64_t one = 1;
    (void)!::write(stop.get(), &one, sizeof one);
    thread.join();
  }
};

std::string reply(const std::string& status, const std::string& body, const std::string& headers = {}) {
  return "HTTP/1.1 " + status + "\r\n" + headers + "Content-Length: " + std::to_string(body.size())
         + "\r\n\r\n" + body;
}

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
  probe_outcome get(const std::string& path, int port,
                    std::chrono::milliseconds timeout = std::chrono::seconds{5},
                    std::vector<http_header> headers = {}, const std::string& host = "127.0.0.1") {
    http_get_action action;
    action.path = path;
    action.port.number = port;
    action.http_headers = std::move(headers);
    std::promise<probe_outcome> p;
    loop.post([&] { prober->http_get(action, host, timeout, [&](probe_outcome x) { p.set_value(x); }); });
    return p.get_future().get();
  }
  probe_outcome dial(const std::string& host, int port,
                     std::chrono::milliseconds timeout = std::chrono::seconds{5}) {
    tcp_socket_action action;
    action.port.number = port;
    std::promise<probe_outcome> p;
    loop.post([&] { prober->tcp_socket(action, host, timeout, [&](probe_outcome x) { p.set_value(x); }); });
    return p.get_future().get();
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(http_results) {
  http_server server;
  auto here = "http://127.0.0.1:" + std::to_string(server.port);
  server.answers = {{"/ok?q=1", reply("200 OK", "fine")},
                    {"/399", reply("399 Odd", "")},
                    {"/500", reply("500 No", "bad")},
                    {"/nowhere", reply("302 Found", "")},
                    {"/short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"},
                    {"/stuck", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"},
                    {"/400", reply("400 No", "")},
                    {"/big", reply("200 OK", std::string(50'000, 'x'))},
                    {"/same", reply("302 Found", "", "Location: /ok?q=1\r\n")},
                    {"/loop", reply("302 Found", "", "Location: /loop\r\n")},
                    {"/other", reply("302 Found", "away", "Location: http://other.invalid/\r\n")}};
  server.start();
  world w;
  auto ok = w.get("ok?q=1", server.port);
  BOOST_TEST((ok.verdict == probe_verdict::success), ok.output);
  BOOST_TEST(ok.output == "fine");
  BOOST_TEST(server.last_request.find("User-Agent: kube-probe/") != std::string::npos);
  BOOST_TEST(server.last_request.find("Accept: */*") != std::string::npos);
  BOOST_TEST(server.last_request.find("Accept-Encoding") == std::string::npos);
  auto odd = w.get("/399", server.port);
  BOOST_TEST((odd.verdict == probe_verdict::warning));
  BOOST_TEST(odd.output == "Probe terminated redirects, Response body: ");
  BOOST_TEST((w.get("/nowhere", server.port).verdict == probe_verdict::warning));
  auto short_body = w.get("/short", server.port);
  BOOST_TEST((short_body.verdict == probe_verdict::error), short_body.output);
  auto stuck = w.get("/stuck", server.port, std::chrono::milliseconds{100});
  BOOST_TEST((stuck.verdict == probe_verdict::error));
  BOOST_TEST(stuck.output
             == "context deadline exceeded (Client.Timeout or context cancellation while reading body)");
  auto bad = w.get("/500", server.port);
  BOOST_TEST((bad.verdict == probe_verdict::failure));
  BOOST_TEST(bad.output == "HTTP probe failed with statuscode: 500");
  BOOST_TEST((w.get("/400", server.port).verdict == probe_verdict::failure));
  auto big = w.get("/big", server.port);
  BOOST_TEST((big.verdict == probe_verdict::success), big.output);
  BOOST_TEST(big.output.size() == 10'240u);
  BOOST_TEST(w.get("/same", server.port).output == "fine");
  auto before = server.requests.load();
  auto loop = w.get("/loop", server.port);
  BOOST_TEST(loop.output == "Get \"" + here + "/loop\": stopped after 10 redirects");
  BOOST_TEST(server.requests - before == 11u);
  auto other = w.get("/other", server.port);
  BOOST_TEST((other.verdict == probe_verdict::warning));
  BOOST_TEST(other.output == "Probe terminated redirects, Response body: away");
  w.get("/399", server.port, std::chrono::seconds{5},
        {{"Host", "example.org"}, {"User-Agent", "me"}, {"X-Probe", "1"}});
  BOOST_TEST(server.last_request.find("Host: example.org\r\n") != std::string::npos);
  BOOST_TEST(server.last_request.find("User-Agent: me\r\n") != std::string::npos);
  BOOST_TEST(server.last_request.find("X-Probe: 1\r\n") != std::string::npos);
  w.get("/399", server.port, std::chrono::seconds{5}, {{"Accept", ""}, {"user-agent", ""}, {"X-Empty", ""}});
  BOOST_TEST(server.last_request.find("Accept:") == std::string::npos);
  BOOST_TEST(server.last_request.find("gent:") == std::string::npos);
  BOOST_TEST(server.last_request.find("X-Empty:") != std::string::npos);
  w.get("/a b/%zz%20?\"=é", server.port, std::chrono::milliseconds{50});
  BOOST_TEST(server.last_request.starts_with("GET /a%20b/%25zz%20?%22=%C3%A9 HTTP/1.1\r\n"));
  auto late = w.get("/silent", server.port, std::chrono::milliseconds{50});
  BOOST_TEST((late.verdict == probe_verdict::failure));
  BOOST_TEST(
      late.output
      == "Get \"" + here
             + "/silent\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
}

BOOST_AUTO_TEST_CASE(refused_connections) {
  world w;
  auto http = w.get("/x", 1);
  BOOST_TEST((http.verdict == probe_verdict::failure));
  BOOST_TEST(http.output
             == "Get \"http://127.0.0.1:1/x\": dial tcp 127.0.0.1:1: connect: connection refused");
  auto tcp = w.dial("127.0.0.1", 1);
  BOOST_TEST((tcp.verdict == probe_verdict::failure));
  BOOST_TEST(tcp.output == "dial tcp 127.0.0.1:1: connect: connection refused");
  // This namespace has no route to anywhere, and so nobody who knows names.
  auto unknown = w.get("/x", 1, std::chrono::seconds{5}, {}, "nosuchhost.invalid");
  BOOST_TEST(unknown.output
             == "Get \"http://nosuchhost.invalid:1/x\": dial tcp: lookup nosuchhost.invalid: no such host");
  auto far = w.dial("192.0.2.1", 80);
  BOOST_TEST(far.output == "dial tcp 192.0.2.1:80: connect: network is unreachable");
}

BOOST_AUTO_TEST_CASE(tcp_success_and_time_out) {
  http_server server;
  server.start();
  world w;
  BOOST_TEST((w.dial("127.0.0.1", server.port).verdict == probe_verdict::success));
  // A full backlog: the connection is never accepted.
  unique_fd full{::socket(AF_INET, SOCK_STREAM, 0)};
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::bind(full.get(), reinterpret_cast<sockaddr*>(&a), sizeof a);
  ::listen(full.get(), 0);
  socklen_t size = sizeof a;
  ::getsockname(full.get(), reinterpret_cast<sockaddr*>(&a), &size);
  std::vector<unique_fd> fill;
  for (int i = 0; i < 4; ++i) {
    fill.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    ::connect(fill.back().get(), reinterpret_cast<sockaddr*>(&a), sizeof a);
  }
  auto late = w.dial("127.0.0.1", ntohs(a.sin_port), std::chrono::milliseconds{50});
  BOOST_TEST(late.output == "dial tcp 127.0.0.1:" + std::to_string(ntohs(a.sin_port)) + ": i/o timeout");
}

/// The kernel has shaken hands with what listens on this machine before connect() returns.
BOOST_AUTO_TEST_CASE(what_is_on_this_machine_needs_no_turn_of_the_loop) {
  http_server server;
  server.start();
  world w;
  w.loop.run([&] {
    auto judged = [&](int port) {
      tcp_socket_action action;
      action.port.number = port;
      std::optional<probe_verdict> verdict;
      w.prober->tcp_socket(action, "127.0.0.1", std::chrono::seconds{5},
                           [&](const probe_outcome& x) { verdict = x.verdict; });
      return verdict;
    };
    BOOST_TEST((judged(server.port) == probe_verdict::success));
    BOOST_TEST((judged(1) == probe_verdict::failure));
  });
}

BOOST_AUTO_TEST_CASE(an_answer_may_ask_the_next_question) {
  http_server server;
  server.start();
  world w;
  tcp_socket_action action;
  action.port.number = server.port;
  int left = 50;
  std::promise<void> all;
  std::function<void(probe_outcome)> again = [&](const probe_outcome& x) {
    BOOST_TEST((x.verdict == probe_verdict::success));
    if (--left == 0) return all.set_value();
    w.prober->tcp_socket(action, "127.0.0.1", std::chrono::seconds{60}, again);
  };
  w.loop.post([&] { w.prober->tcp_socket(action, "127.0.0.1", std::chrono::seconds{60}, again); });
  BOOST_REQUIRE((all.get_future().wait_for(std::chrono::seconds{60}) == std::future_status::ready));
}

BOOST_AUTO_TEST_CASE(ends_with_probes_under_way) {
  http_server server;
  server.start();
  world w;
  w.loop.run([&] {
    http_get_action get;
    get.port.number = server.port;
    tcp_socket_action tcp;
    tcp.port.number = server.port;
    for (int i = 0; i < 10; ++i) {
      w.prober->http_get(get, "127.0.0.1", std::chrono::seconds{60}, [](probe_outcome) {});
      w.prober->tcp_socket(tcp, "127.0.0.1", std::chrono::seconds{60}, [](probe_outcome) {});
    }
  });
}

BOOST_AUTO_TEST_CASE(urls_and_exec_results) {
  http_get_action action;
  action.port.number = 8443;
  action.scheme = "HTTPS";
  BOOST_TEST(probe_url(action, "fd00::1") == "https://[fd00::1]:8443/");
  BOOST_TEST(url_host("http://[fd00::1]:80/x") == "fd00::1");
  BOOST_TEST(url_host("http://User@Host.Example:80?x") == "host.example");
  BOOST_TEST(url_host("/relative") == "");
  struct port_row {
    int_or_string port;
    const char* why;
  };
  for (auto& r : {port_row{{80, ""}, ""}, port_row{{0, "web"}, "port web not found"},
                  port_row{{99'999, ""}, "invalid port number: 99999"}}) {
    probe_spec http, tcp;
    http.http_get.emplace().port = r.port;
    tcp.tcp_socket.emplace().port = r.port;
    BOOST_TEST(wrong_port(http) == r.why);
    BOOST_TEST(wrong_port(tcp) == r.why);
  }
  using namespace std::chrono_literals;
  BOOST_TEST((judge_exec({.exit_code = 0, .output = "o"}, {}, 1s).verdict == probe_verdict::success));
  BOOST_TEST((judge_exec({.exit_code = 3, .output = "o"}, {}, 1s).verdict == probe_verdict::failure));
  auto late = judge_exec({.exit_code = 0, .timed_out = true, .output = {}}, {"cat", "/x"}, 2s);
  BOOST_TEST((late.verdict == probe_verdict::failure));
  BOOST_TEST(late.output == "command \"cat /x\" timed out after 2s");
}

BOOST_AUTO_TEST_SUITE_END()
