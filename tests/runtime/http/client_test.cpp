#include "http_fixture.hpp"

using namespace podium;

namespace {
int code(const caf::expected<http_reply>& r) {
  return r ? -1 : static_cast<int>(code_of(r.error()));
}
} // namespace

BOOST_AUTO_TEST_SUITE(http_fetches)

BOOST_FIXTURE_TEST_CASE(status_headers_and_body, http_fixture) {
  auto r = fetch({.url = "/nowhere"});
  BOOST_TEST_REQUIRE(static_cast<bool>(r));
  BOOST_TEST(r->status == 404);
  BOOST_TEST(r->headers.get("x-path") == "/nowhere");
  BOOST_TEST(r->body == "no such thing\n");
  r = fetch({.method = "HEAD", .url = "/hello"});
  BOOST_TEST_REQUIRE(static_cast<bool>(r));
  BOOST_TEST(r->headers.get("Content-Length") == "6");
  BOOST_TEST(r->body == "");
}

BOOST_FIXTURE_TEST_CASE(methods_headers_and_bodies_arrive, http_fixture) {
  custom = [](auto x) {
    auto& q = x->request();
    x->respond(200, "text/plain",
               q.method + '|' + std::string{q.headers.get("X-A")} + '|'
                   + std::string{q.headers.get("Content-Type")} + '|' + q.body);
  };
  for (auto method : {"POST", "PUT", "PATCH", "DELETE", "GET"}) {
    auto r = fetch({.method = method, .url = "/x", .headers = {{"X-A", "1"}}, .body = "b"});
    BOOST_TEST_REQUIRE(static_cast<bool>(r));
    BOOST_TEST(r->body == std::string{method} + "|1||b");
  }
  auto r =
      fetch({.method = "POST", .url = "/x", .headers = {{"Content-Type", "application/json"}}, .body = "{}"});
  BOOST_TEST(r->body == "POST||application/json|{}");
}

BOOST_FIXTURE_TEST_CASE(connections_are_reused_unless_fresh, http_fixture) {
  for (int i = 0; i < 3; ++i)
    fetch({.url = "/hello"});
  BOOST_TEST(server->stats().accepted == 1u);
  for (int i = 0; i < 3; ++i)
    fetch({.url = "/hello", .fresh = true});
  BOOST_TEST(server->stats().accepted == 4u);
}

BOOST_FIXTURE_TEST_CASE(a_silent_server_is_a_timeout, http_fixture) {
  auto before = std::chrono::steady_clock::now();
  auto r = fetch({.url = "/hold", .timeout = 100ms});
  BOOST_TEST(code(r) == static_cast<int>(errc::timeout));
  BOOST_TEST((std::chrono::steady_clock::now() - before >= 100ms));
}

BOOST_FIXTURE_TEST_CASE(errors_say_why, http_fixture) {
  auto listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); // bound, not listening: refuses
  sockaddr_in address{};
  socklen_t size = sizeof address;
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::bind(listener, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  auto refused = fetch({.url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port))});
  BOOST_TEST(code(refused) == static_cast<int>(errc::io));
  BOOST_TEST(message_of(refused.error()).find("connect") != std::string::npos);
  ::close(listener);
  BOOST_TEST(code(fetch({.url = "file:///etc/passwd"})) == static_cast<int>(errc::io));
  BOOST_TEST(code(fetch({.url = "http://[bad"})) == static_cast<int>(errc::io));
}

BOOST_FIXTURE_TEST_CASE(bodies_have_a_limit, http_fixture) {
  BOOST_TEST(code(fetch({.url = "/big", .max_body_bytes = 1000})) == static_cast<int>(errc::too_large));
  auto cut = fetch({.url = "/big", .max_body_bytes = 10'240, .cut_body = true});
  BOOST_TEST_REQUIRE(static_cast<bool>(cut));
  BOOST_TEST(cut->body.size() == 10'240u);
  BOOST_TEST(cut->cut);
  BOOST_TEST(cut->status == 200);
  auto exact = fetch({.url = "/hello", .max_body_bytes = 6});
  BOOST_TEST_REQUIRE(static_cast<bool>(exact));
  BOOST_TEST(!exact->cut);
}

BOOST_FIXTURE_TEST_CASE(redirects_are_reported_or_followed, http_fixture) {
  custom = [](auto x) { x->respond(302, {}, "", {{"Location", "/hello"}}); };
  auto r = fetch({.url = "/away"});
  BOOST_TEST_REQUIRE(static_cast<bool>(r));
  BOOST_TEST(r->status == 302);
  BOOST_TEST(r->redirect_url == client_fetch_base + "/hello");
  r = fetch({.url = "/away", .redirects = 1});
  BOOST_TEST_REQUIRE(static_cast<bool>(r));
  BOOST_TEST(r->body == "hello\n");
  BOOST_TEST(!r->headers.find("Location"));
}

BOOST_FIXTURE_TEST_CASE(cancel_calls_back_once, http_fixture) {
  std::promise<caf::expected<http_reply>> result;
  uint64_t id = 0;
  loop.run([&] {
    id = client->send({.url = client_fetch_base + "/hold"}, [&](auto r) { result.set_value(std::move(r)); });
  });
  BOOST_TEST(seen.wait("held"));
  loop.run([&] {
    client->cancel(id);
    client->cancel(id);
    client->cancel(id + 100);
  });
  BOOST_TEST(code(result.get_future().get()) == static_cast<int>(errc::cancelled));
  loop.run([&] {
    client->cancel(id);
    BOOST_TEST(client->in_flight() == 0u);
  });
}

BOOST_FIXTURE_TEST_CASE(pieces_arrive_as_they_come_and_may_start_and_cancel, http_fixture) {
  std::string got;
  std::promise<caf::expected<http_reply>> first;
  std::promise<std::string> second;
  uint64_t id = 0;
  loop.run([&] {
    auto on_data = [&](std::string_view data) {
      got += data;
      client->send({.url = client_fetch_base + "/hello"}, [&](auto r) { second.set_value(r->body); });
      client->cancel(id);
    };
    id = client->send({.url = client_fetch_base + "/stream", .timeout = 0ms, .on_data = on_data},
                      [&](auto r) { first.set_value(std::move(r)); });
  });
  BOOST_TEST(seen.wait("stream open"));
  loop.run([&] { (*held.begin())->write_chunk(std::string_view{"event\n"}); });
  BOOST_TEST(code(first.get_future().get()) == static_cast<int>(errc::cancelled));
  BOOST_TEST(second.get_future().get() == "hello\n");
  BOOST_TEST(got == "event\n");
  BOOST_TEST(seen.wait("stream closed"));
}

BOOST_FIXTURE_TEST_CASE(many_fresh_requests_at_a_time, http_fixture) {
  std::atomic<int> good = 0, done = 0;
  loop.run([&] {
    for (int i = 0; i < 300; ++i)
      client->send({.url = client_fetch_base + "/hello", .fresh = true}, [&](auto r) {
        if (r && r->body == "hello\n") ++good;
        if (++done == 300) seen.hit("all");
      });
  });
  BOOST_TEST(seen.wait("all"));
  BOOST_TEST(good == 300);
}

BOOST_AUTO_TEST_CASE(the_client_may_go_with_requests_under_way) {
  http_fixture f;
  std::atomic<int> called = 0;
  f.loop.run([&] {
    for (int i = 0; i < 5; ++i)
      f.client->send({.url = f.client_fetch_base + "/hold"}, [&](auto) { ++called; });
  });
  BOOST_TEST(f.seen.wait("held", 5));
  f.client.reset();
  BOOST_TEST(f.seen.wait("hold closed", 0));
  BOOST_TEST(called == 0);
}

BOOST_AUTO_TEST_SUITE_END()
