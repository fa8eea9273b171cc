#include "http_fixture.hpp"

using namespace podium;
using namespace std::string_literals;

namespace {

std::string get(std::string_view path, std::string_view more = {}) {
  return "GET " + std::string{path} + " HTTP/1.1\r\nHost: x\r\n" + std::string{more} + "\r\n";
}

http_limits short_limits() {
  http_limits l;
  l.header_timeout = l.body_timeout = l.idle_timeout = 100ms;
  l.linger = 50ms;
  return l;
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_server_requests)

BOOST_FIXTURE_TEST_CASE(keep_alive_and_not_found, http_fixture) {
  raw_client c{port};
  c.send(get("/hello"));
  auto head = c.take("\r\n\r\n");
  BOOST_TEST(head.starts_with("HTTP/1.1 200 OK\r\n"));
  BOOST_TEST(head.find("Content-Length: 6\r\n") != head.npos);
  BOOST_TEST(head.find("Date: ") != head.npos);
  BOOST_TEST(c.take(6) == "hello\n");
  c.send(get("/a%2Fb%20c"));
  head = c.take("\r\n\r\n");
  BOOST_TEST(head.starts_with("HTTP/1.1 404 Not Found\r\n"));
  BOOST_TEST(head.find("X-Path: /a/b c\r\n") != head.npos);
  BOOST_TEST(server->stats().accepted == 1u);
}

BOOST_FIXTURE_TEST_CASE(pipelined_requests_are_answered_in_order, http_fixture) {
  raw_client c{port};
  std::string all;
  for (int i = 0; i < 20; ++i)
    all += get("/later?n=" + std::to_string(i));
  c.send(all + get("/hello", "Connection: close\r\n"));
  for (int i = 0; i < 20; ++i) {
    c.take("\r\n\r\n");
    auto number = std::to_string(i);
    BOOST_TEST(c.take(number.size()) == number);
  }
  BOOST_TEST(c.rest().ends_with("hello\n"));
  BOOST_TEST(seen.wait("later closed", 20));
}

BOOST_FIXTURE_TEST_CASE(many_pipelined_requests_stop_the_reading, http_fixture) {
  raw_client c{port};
  std::string all;
  for (int i = 0; i < 5000; ++i)
    all += get("/hello");
  std::thread writer{[&] { c.send(get("/later?n=1") + all + get("/hello", "Connection: close\r\n")); }};
  auto text = c.rest();
  writer.join();
  size_t n = 0;
  for (size_t at = 0; (at = text.find("hello\n", at)) != text.npos; ++at)
    ++n;
  BOOST_TEST(n == 5001u);
}

BOOST_FIXTURE_TEST_CASE(a_request_may_come_byte_by_byte, http_fixture) {
  raw_client c{port};
  for (
      auto byte :
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\n\r\n"s)
    c.send({&byte, 1});
  c.take("\r\n\r\n");
  BOOST_TEST(c.take(8) == "abcdefgh");
}

BOOST_FIXTURE_TEST_CASE(head_has_no_body_and_http10_closes, http_fixture) {
  raw_client c{port};
  c.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n" + get("/hello"));
  BOOST_TEST(c.take("\r\n\r\n").find("Content-Length: 6") != std::string::npos);
  BOOST_TEST(c.take("\r\n\r\n").starts_with("HTTP/1.1 200"));
  raw_client old{port};
  old.send("GET /hello HTTP/1.0\r\n\r\n");
  BOOST_TEST(old.rest().ends_with("hello\n"));
  raw_client kept{port};
  kept.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  BOOST_TEST(kept.take("hello\n").find("Connection: keep-alive") != std::string::npos);
  kept.send("GET /hello HTTP/1.0\r\n\r\n");
  BOOST_TEST(kept.rest().ends_with("hello\n"));
}

BOOST_FIXTURE_TEST_CASE(query_and_absolute_form, http_fixture) {
  raw_client c{port};
  c.send(get("http://x/query?a=b%20c&w=True"));
  c.take("\r\n\r\n");
  BOOST_TEST(c.take(7) == "b c yes");
}

BOOST_FIXTURE_TEST_CASE(expect_is_answered_before_the_body_comes, http_fixture) {
  raw_client c{port};
  c.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n");
  BOOST_TEST(c.take("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  std::string body(1'000'000, 'q');
  std::thread writer{[&] { c.send(body); }};
  c.take("\r\n\r\n");
  BOOST_TEST((c.take(body.size()) == body));
  writer.join();
  c.send("GET /hello HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n");
  BOOST_TEST(c.rest().starts_with("HTTP/1.1 417"));
}

BOOST_FIXTURE_TEST_CASE(curl_posts_a_megabyte, http_fixture) {
  http_fetch f;
  f.method = "POST";
  f.url = "/echo";
  f.body = std::string(1'300'000, 'z');
  auto r = fetch(f);
  BOOST_TEST_REQUIRE(static_cast<bool>(r));
  BOOST_TEST(r->status == 200);
  BOOST_TEST((r->body == f.body));
}

BOOST_FIXTURE_TEST_CASE(malformed_requests, http_fixture) {
  const std::pair<const char*, const char*> table[] = {
      {"rubbish\r\n\r\n", "400"},
      {"GET /hello HTTP/1.1\r\n\r\n", "400"}, // no Host
      {"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
      {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"GET hello HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
      {"GET /hello HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "400"},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
      {"POST /forbidden HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", "403"}, // before the body
  };
  for (auto& [text, status] : table) {
    raw_client c{port};
    c.send(text);
    auto answer = c.rest();
    BOOST_TEST(answer.starts_with("HTTP/1.1 "s + status), text << " -> " << answer);
    BOOST_TEST(answer.find("Connection: close") != answer.npos);
  }
}

BOOST_FIXTURE_TEST_CASE(too_large, http_fixture) {
  raw_client declared{port};
  declared.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3145729\r\n\r\n");
  BOOST_TEST(declared.rest().starts_with("HTTP/1.1 413"));
  raw_client gated{port};
  gated.send("POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
             "chunked\r\n\r\n6\r\nabcdef\r\n6\r\nghijkl\r\n0\r\n\r\n");
  BOOST_TEST(gated.rest().starts_with("HTTP/1.1 413"));
  raw_client header{port};
  header.send("GET /hello HTTP/1.1\r\nHost: a\r\nX: " + std::string(70'000, 'x'));
  BOOST_TEST(header.rest().starts_with("HTTP/1.1 431"));
  // A client that sends its body first still gets to read the answer.
  http_fetch f;
  f.method = "POST";
  f.url = "/echo";
  f.headers = {{"Expect", ""}};
  f.body = std::string(3'200'000, 'z');
  auto r = fetch(f);
  BOOST_TEST_REQUIRE(static_cast<bool>(r));
  BOOST_TEST(r->status == 413);
}

BOOST_AUTO_TEST_CASE(slow_clients_are_timed_out) {
  http_fixture f{short_limits()};
  raw_client silent{f.port}, slow_header{f.port}, slow_body{f.port}, idle{f.port};
  slow_header.send("GET /hello HTTP/1.1\r\nHo");
  slow_body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  idle.send(get("/hello"));
  BOOST_TEST(silent.rest() == "");
  BOOST_TEST(slow_header.rest().starts_with("HTTP/1.1 408"));
  BOOST_TEST(slow_body.rest().starts_with("HTTP/1.1 408"));
  BOOST_TEST(idle.rest().ends_with("hello\n"));
  BOOST_TEST(f.server->stats().timeouts == 4u);
}

BOOST_AUTO_TEST_CASE(connections_over_the_limit_get_503) {
  http_limits limits;
  limits.max_connections = 1;
  http_fixture f{limits};
  raw_client first{f.port};
  first.send(get("/hello"));
  first.take("hello\n");
  raw_client second{f.port};
  second.send(get("/hello"));
  auto refusal = second.rest();
  BOOST_TEST(refusal.starts_with("HTTP/1.1 503"));
  BOOST_TEST(refusal.find("Retry-After: 1\r\n") != refusal.npos);
  first.send(get("/hello"));
  BOOST_TEST(first.take("hello\n").starts_with("HTTP/1.1 200"));
  BOOST_TEST(f.server->stats().refused == 1u);
}

BOOST_AUTO_TEST_CASE(bodies_of_all_connections_have_a_budget) {
  http_limits limits;
  limits.total_body_bytes = 100'000;
  http_fixture f{limits};
  auto post = [](size_t size) {
    return "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n"
           + std::string(size, 'x');
  };
  {
    raw_client first{f.port}, second{f.port};
    first.send(post(60'000));
    BOOST_TEST(f.seen.wait("held"));
    second.send(post(60'000));
    BOOST_TEST(second.rest().starts_with("HTTP/1.1 503"));
    f.loop.run([&] { f.held.clear(); });
    BOOST_TEST(first.take("answer\n").starts_with("HTTP/1.1 500"));
    first.send(post(60'000)); // what was given back can be used again
    BOOST_TEST(f.seen.wait("held", 2));
  }
}

BOOST_FIXTURE_TEST_CASE(a_refusal_behind_a_head_request_has_its_body, http_fixture) {
  raw_client c{port};
  c.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\nrubbish\r\n\r\n");
  c.take("\r\n\r\n");
  BOOST_TEST(c.rest().find("malformed") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(handlers_that_fail_still_answer, http_fixture) {
  raw_client c{port};
  c.send(get("/throw") + get("/drop") + get("/hello"));
  BOOST_TEST(c.take("\r\n\r\n").starts_with("HTTP/1.1 500"));
  BOOST_TEST(c.take("\r\n\r\n").find("HTTP/1.1 500") != std::string::npos);
  BOOST_TEST(c.until("hello\n"));
}

BOOST_FIXTURE_TEST_CASE(a_client_that_half_closes_gets_its_answer, http_fixture) {
  raw_client c{port};
  c.send(get("/later?n=7"));
  c.half_close();
  BOOST_TEST(c.rest().ends_with("\r\n\r\n7"));
}

BOOST_FIXTURE_TEST_CASE(a_large_body_reaches_a_slow_reader_whole, http_fixture) {
  raw_client c{port, 4096};
  c.send(get("/big", "Connection: close\r\n"));
  c.take("\r\n\r\n");
  BOOST_TEST((c.rest() == *big));
}

BOOST_FIXTURE_TEST_CASE(header_values_cannot_break_out, http_fixture) {
  custom = [](auto x) { x->respond(200, "text/plain", "", {{"X", "a\r\nEvil: 1"}}); };
  auto r = fetch({.url = "/custom"});
  BOOST_TEST_REQUIRE(static_cast<bool>(r));
  BOOST_TEST(!r->headers.find("Evil"));
}

BOOST_FIXTURE_TEST_CASE(unix_socket, http_fixture) {
  auto path = "/tmp/podium-http-test." + std::to_string(::getpid());
  // A socket file that a dead process left is taken over; one that is served is not.
  {
    auto fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    BOOST_TEST_REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::close(fd);
  }
  BOOST_TEST(!server->listen_unix(path));
  BOOST_TEST(!!server->listen_unix(path));
  BOOST_TEST(!!server->listen_unix(std::string(200, 'x')));
  raw_client c{path};
  c.send(get("/who"));
  c.take("\r\n\r\n");
  BOOST_TEST(c.take(" uid") == "plain [] [] uid");
  auto r = fetch({.url = "http://anything/hello", .unix_socket = path});
  BOOST_TEST_REQUIRE(static_cast<bool>(r));
  BOOST_TEST(r->body == "hello\n");
  c.close();
  std::promise<void> stopped;
  server->stop([&] { stopped.set_value(); });
  stopped.get_future().wait();
  BOOST_TEST(::access(path.c_str(), F_OK) != 0);
}

BOOST_FIXTURE_TEST_CASE(a_taken_port_is_an_error, http_fixture) {
  auto r = server->listen_tcp("127.0.0.1", port);
  BOOST_TEST(!r);
  BOOST_TEST(message_of(r.error()).find("address already in use") != std::string::npos);
  BOOST_TEST(!server->listen_tcp("localhost", 0));
}

BOOST_AUTO_TEST_SUITE_END()
