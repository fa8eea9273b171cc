// A server on loopback with handlers for every shape of answer, and a plain blocking client to talk to it
// byte by byte.
#pragma once
#include "core/error.hpp"
#include "runtime/http/client.hpp"
#include "runtime/http/server.hpp"
#include "runtime/http/websocket.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <set>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace podium {

using namespace std::chrono_literals;

/// Counts named happenings across threads.
class happenings {
public:
  void hit(const std::string& name) {
    std::lock_guard guard{mutex_};
    ++counts_[name];
    changed_.notify_all();
  }
  /// True once `name` has happened `n` times; false after ten seconds.
  bool wait(const std::string& name, int n = 1) {
    std::unique_lock guard{mutex_};
    return changed_.wait_for(guard, 10s, [&] { return counts_[name] >= n; });
  }
  int count(const std::string& name) {
    std::lock_guard guard{mutex_};
    return counts_[name];
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> counts_;
};

/// A blocking socket; every read gives up after ten seconds.
class raw_client {
public:
  explicit raw_client(uint16_t port, int receive_buffer = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    prepare(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  explicit raw_client(const std::string& path) {
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    prepare(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  ~raw_client() { close(); }
  raw_client(const raw_client&) = delete;
  raw_client& operator=(const raw_client&) = delete;

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void half_close() { ::shutdown(fd_, SHUT_WR); }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  /// Reads once more; false at the end, on an error and after ten seconds.
  bool more() {
    char buffer[65536];
    auto n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n > 0) text.append(buffer, static_cast<size_t>(n));
    return n > 0;
  }
  /// Reads until `mark` is there; false when it never comes.
  bool until(std::string_view mark) {
    while (text.find(mark) == text.npos)
      if (!more()) return false;
    return true;
  }
  /// Takes what comes up to and including `mark`.
  std::string take(std::string_view mark) {
    if (!until(mark)) return "(missing) " + text;
    auto end = text.find(mark) + mark.size();
    auto result = text.substr(0, end);
    text.erase(0, end);
    return result;
  }
  std::string take(size_t n) {
    while (text.size() < n)
      if (!more()) return "(short) " + text;
    auto result = text.substr(0, n);
    text.erase(0, n);
    return result;
  }
  /// Everything up to the end of the connection.
  std::string rest() {
    while (more()) {
    }
    return text;
  }

  std::string text;

private:
  void prepare(sockaddr* address, socklen_t size) {
    timeval limit{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    BOOST_TEST_REQUIRE(::connect(fd_, address, size) == 0);
  }
  int fd_ = -1;
};

struct http_fixture {
  explicit http_fixture(http_limits limits = {}, std::shared_ptr<tls_context> tls = nullptr)
      : server(std::make_unique<http_server>(
          loop, [this](std::shared_ptr<http_exchange> x) { handle(std::move(x)); }, limits)),
        client(std::make_unique<http_client>(loop)) {
    server->set_gate([](const http_request& r) {
      gate_verdict verdict;
      if (r.path == "/forbidden") verdict = {403, "text/plain", "no entry\n"};
      if (r.path == "/small") verdict.body_bytes = 10;
      return verdict;
    });
    auto bound = server->listen_tcp("127.0.0.1", 0, std::move(tls));
    BOOST_TEST_REQUIRE(static_cast<bool>(bound));
    port = *bound;
    client_fetch_base = "http://127.0.0.1:" + std::to_string(port);
  }

  void handle(std::shared_ptr<http_exchange> x) {
    auto& r = x->request();
    if (r.path == "/hello") return x->respond(200, "text/plain", "hello\n");
    if (r.path == "/echo") return x->respond(200, "application/octet-stream", std::move(r.body));
    if (r.path == "/throw") throw std::runtime_error{"thrown"};
    if (r.path == "/drop") return;
    if (r.path == "/who") return x->respond(200, "text/plain", describe(r.peer));
    if (r.path == "/query")
      return x->respond(200, "text/plain",
                        std::string{r.query.get("a").value_or("-")} + (r.query.flag("w") ? " yes" : " no"));
    if (r.path == "/later") {
      x->on_close([this] { seen.hit("later closed"); });
      loop.after(20ms, [x] {
        x->respond(200, "text/plain", std::string{x->request().query.get("n").value_or("?")});
      });
      return;
    }
    if (r.path == "/big") return x->respond(200, "text/plain", big);
    if (r.path == "/stream") return stream(std::move(x));
    if (r.path == "/flood") return flood(std::move(x), true);
    if (r.path == "/flood-rude") return flood(std::move(x), false);
    if (r.path == "/hold") {
      x->on_close([this] { seen.hit("hold closed"); });
      held.insert(std::move(x));
      seen.hit("held");
      return;
    }
    if (custom) return custom(std::move(x));
    x->respond(404, "text/plain", "no such thing\n", {{"X-Path", r.path}});
  }

  static std::string describe(const peer_identity& p) {
    std::string groups;
    for (auto& o : p.organizations)
      groups += o + ',';
    return std::string{p.tls ? "tls" : "plain"} + (p.presented ? " presented" : "")
           + (p.verified ? " verified" : "") + " [" + p.common_name + "] [" + groups + "]"
           + (p.uid ? " uid" : "");
  }

  void stream(std::shared_ptr<http_exchange> x) {
    x->start_stream(200, "application/json");
    x->on_close([this, raw = x.get()] {
      std::erase_if(held, [&](auto& h) { return h.get() == raw; });
      seen.hit("stream closed");
    });
    held.insert(std::move(x));
    seen.hit("stream open");
  }

  void flood(std::shared_ptr<http_exchange> x, bool polite) {
    x->start_stream(200, "text/plain");
    x->on_close([this] { seen.hit("flood closed"); });
    auto chunk = std::make_shared<const std::string>(std::string(16 * 1024, 'x'));
    if (!polite) {
      for (int i = 0; i < 1000 && x->is_open(); ++i)
        x->write_chunk(chunk);
      held.insert(std::move(x));
      return;
    }
    auto write = [this, chunk](http_exchange& e) {
      while (e.write_chunk(chunk)) {
      }
      size_t queued = e.queued();
      max_queued = std::max<size_t>(max_queued, queued);
      seen.hit("flood full");
    };
    x->on_drain([write, raw = x.get()] { write(*raw); });
    write(*x);
    held.insert(std::move(x));
  }

  /// Runs a request to its end.
  caf::expected<http_reply> fetch(http_fetch f) {
    if (f.url.starts_with('/')) f.url = client_fetch_base + f.url;
    std::promise<caf::expected<http_reply>> result;
    loop.post([&] {
      client->send(std::move(f), [&](caf::expected<http_reply> r) { result.set_value(std::move(r)); });
    });
    return result.get_future().get();
  }

  ~http_fixture() {
    loop.run([this] { held.clear(); });
    client.reset();
    server.reset();
  }

  event_loop loop;
  happenings seen;
  std::set<std::shared_ptr<http_exchange>> held; ///< loop thread
  std::set<std::shared_ptr<websocket>> sockets;  ///< loop thread
  std::function<void(std::shared_ptr<http_exchange>)> custom;
  std::atomic<size_t> max_queued = 0;
  std::shared_ptr<const std::string> big = std::make_shared<const std::string>(std::string(3'000'000, 'b'));
  std::unique_ptr<http_server> server;
  std::unique_ptr<http_client> client;
  uint16_t port = 0;
  std::string client_fetch_base;
};

} // namespace podium
