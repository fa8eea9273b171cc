#include "http_fixture.hpp"

using namespace podium;

namespace {
const std::string end_of_head = "\r\n\r\n";

std::string get(std::string_view path) {
  return "GET " + std::string{path} + " HTTP/1.1\r\nHost: x\r\n\r\n";
}
} // namespace

BOOST_AUTO_TEST_SUITE(http_streams)

BOOST_FIXTURE_TEST_CASE(headers_and_events_are_seen_at_once, http_fixture) {
  raw_client c{port};
  c.send(get("/stream"));
  auto head = c.take(end_of_head); // although no event has come
  BOOST_TEST(head.find("Transfer-Encoding: chunked") != head.npos);
  BOOST_TEST(head.find("Content-Type: application/json\r\n") != head.npos);
  loop.run([&] { (*held.begin())->write_chunk(std::string_view{"{\"type\":\"ADDED\"}\n"}); });
  BOOST_TEST(c.take("}\n\r\n") == "11\r\n{\"type\":\"ADDED\"}\n\r\n");
  loop.run([&] {
    auto x = *held.begin();
    x->end();
    BOOST_TEST(!x->is_open());
    BOOST_TEST(!x->write_chunk(std::string_view{"late"}));
    x->end();
    x->respond(200, "text/plain", "late");
  });
  BOOST_TEST(c.take("0\r\n\r\n") == "0\r\n\r\n");
  BOOST_TEST(seen.wait("stream closed"));
  // The connection goes on.
  c.send(get("/hello"));
  BOOST_TEST(c.until("hello\n"));
  BOOST_TEST(seen.count("stream closed") == 1);
}

BOOST_FIXTURE_TEST_CASE(http10_streams_are_not_chunked, http_fixture) {
  raw_client c{port};
  c.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  BOOST_TEST(c.take(end_of_head).find("chunked") == std::string::npos);
  loop.run([&] {
    (*held.begin())->write_chunk(std::string_view{"raw"});
    (*held.begin())->end();
  });
  BOOST_TEST(c.rest() == "raw");
}

BOOST_FIXTURE_TEST_CASE(vanished_watchers_are_noticed, http_fixture) {
  {
    std::vector<std::unique_ptr<raw_client>> clients;
    for (int i = 0; i < 50; ++i) {
      clients.push_back(std::make_unique<raw_client>(port));
      clients.back()->send(get("/stream"));
      clients.back()->take(end_of_head);
    }
    BOOST_TEST(seen.wait("stream open", 50));
  }
  BOOST_TEST(seen.wait("stream closed", 50));
  loop.run([&] { BOOST_TEST(held.empty()); });
  BOOST_TEST(server->stats().connections == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_watcher_that_leaves_a_busy_stream_is_noticed, http_fixture) {
  {
    raw_client c{port};
    c.send(get("/flood"));
    c.take(end_of_head);
    c.take(1'000'000);
  }
  BOOST_TEST(seen.wait("flood closed"));
}

BOOST_FIXTURE_TEST_CASE(a_slow_reader_holds_its_producer_at_the_watermark, http_fixture) {
  raw_client c{port, 4096};
  c.send(get("/flood"));
  BOOST_TEST(seen.wait("flood full"));
  auto first = seen.count("flood full");
  c.take(8'000'000); // it goes on as fast as it is read
  BOOST_TEST(seen.wait("flood full", first + 1));
  BOOST_TEST(max_queued > 256u * 1024);
  BOOST_TEST(max_queued < 300u * 1024);
}

BOOST_AUTO_TEST_CASE(a_reader_that_takes_nothing_is_dropped) {
  http_limits limits;
  limits.write_stall = 200ms;
  http_fixture f{limits};
  raw_client c{f.port, 4096};
  c.send(get("/flood"));
  BOOST_TEST(f.seen.wait("flood closed"));
  BOOST_TEST(f.server->stats().stalled == 1u);
}

BOOST_AUTO_TEST_CASE(a_producer_that_does_not_wait_is_cut) {
  http_limits limits;
  limits.max_queued_bytes = 1024 * 1024;
  http_fixture f{limits};
  raw_client c{f.port, 4096};
  c.send(get("/flood-rude"));
  BOOST_TEST(f.seen.wait("flood closed"));
  BOOST_TEST(f.server->stats().overrun == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_dropped_stream_breaks_the_connection, http_fixture) {
  custom = [](auto x) { x->start_stream(200, "text/plain"); };
  raw_client c{port};
  c.send(get("/custom"));
  BOOST_TEST(c.rest().find("0\r\n\r\n") == std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(stop_with_open_streams_ends_them_all, http_fixture) {
  std::vector<std::unique_ptr<raw_client>> watchers, readers;
  for (int i = 0; i < 20; ++i) {
    watchers.push_back(std::make_unique<raw_client>(port));
    watchers.back()->send(get("/stream"));
    watchers.back()->take(end_of_head);
    readers.push_back(std::make_unique<raw_client>(port, 4096));
    readers.back()->send(get("/flood"));
  }
  raw_client idle{port}, busy{port}, half{port};
  idle.send(get("/hello"));
  idle.until("hello\n");
  busy.send(get("/hold"));
  half.send("GET /he");
  BOOST_TEST(seen.wait("held"));
  BOOST_TEST(seen.wait("flood full", 20));
  std::promise<void> stopped;
  server->stop([&] { stopped.set_value(); });
  BOOST_TEST((stopped.get_future().wait_for(10s) == std::future_status::ready));
  for (auto& w : watchers)
    BOOST_TEST(w->rest() == "0\r\n\r\n");
  BOOST_TEST(busy.rest().starts_with("HTTP/1.1 503"));
  BOOST_TEST(seen.wait("stream closed", 20));
  BOOST_TEST(seen.wait("flood closed", 20));
  BOOST_TEST(seen.count("stream closed") == 20);
  BOOST_TEST(seen.count("hold closed") == 1);
  BOOST_TEST(!server->listen_tcp("127.0.0.1", 0));
}

BOOST_AUTO_TEST_CASE(the_loop_may_end_with_everything_open) {
  for (int round = 0; round < 5; ++round) {
    http_limits limits;
    limits.stop_grace = 50ms;
    http_fixture f{limits};
    raw_client watcher{f.port}, reader{f.port, 4096}, half{f.port};
    watcher.send(get("/stream"));
    reader.send(get("/flood"));
    half.send("GET /he");
    BOOST_TEST(f.seen.wait("stream open"));
    BOOST_TEST(f.seen.wait("flood full"));
    f.loop.stop();
    BOOST_TEST(f.seen.count("stream closed") == 1);
    BOOST_TEST(f.seen.count("flood closed") == 1);
    f.held.clear();
  }
}

BOOST_FIXTURE_TEST_CASE(upgrades_to_raw_bytes, http_fixture) {
  std::shared_ptr<byte_stream> tunnel;
  custom = [&](std::shared_ptr<http_exchange> x) {
    tunnel = x->accept_upgrade("SPDY/3.1", {{"X-Stream-Protocol-Version", "portforward.k8s.io"}});
    if (!tunnel) return;
    BOOST_TEST(!x->is_open());
    tunnel->on_data([&](std::string_view data) { tunnel->write("<" + std::string{data} + ">"); });
    tunnel->on_close([&] { seen.hit("tunnel closed"); });
  };
  raw_client c{port};
  // The first bytes may come together with the request.
  c.send("POST /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nearly");
  auto head = c.take(end_of_head);
  BOOST_TEST(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  BOOST_TEST(head.find("Upgrade: SPDY/3.1\r\n") != head.npos);
  BOOST_TEST(head.find("X-Stream-Protocol-Version: portforward.k8s.io\r\n") != head.npos);
  BOOST_TEST(c.take(">") == "<early>");
  c.send("more");
  BOOST_TEST(c.take(">") == "<more>");
  loop.run([&] { tunnel->pause_reading(); });
  c.send("held");
  loop.run([&] { tunnel->resume_reading(); });
  BOOST_TEST(c.take(">") == "<held>");
  BOOST_TEST(server->stats().upgrades == 1u);
  loop.run([&] {
    tunnel->write("bye");
    tunnel->close();
    BOOST_TEST(!tunnel->write("late"));
  });
  BOOST_TEST(c.rest() == "bye");
  c.close();
  BOOST_TEST(seen.wait("tunnel closed"));
  BOOST_TEST(server->stats().upgrades == 0u);

  raw_client wrong{port};
  wrong.send(get("/up"));
  BOOST_TEST(wrong.take(end_of_head).starts_with("HTTP/1.1 426"));
  loop.run([&] { tunnel.reset(); });
}

BOOST_AUTO_TEST_CASE(too_many_upgrades_get_503) {
  http_limits limits;
  limits.max_upgrades = 1;
  http_fixture f{limits};
  std::set<std::shared_ptr<byte_stream>> open;
  f.custom = [&](std::shared_ptr<http_exchange> x) {
    if (auto t = x->accept_upgrade("raw")) open.insert(t);
  };
  auto request = "GET /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n";
  raw_client first{f.port}, second{f.port};
  first.send(request);
  BOOST_TEST(first.take(end_of_head).starts_with("HTTP/1.1 101"));
  second.send(request);
  BOOST_TEST(second.take(end_of_head).starts_with("HTTP/1.1 503"));
  f.loop.run([&] { open.clear(); }); // dropping it closes it
  BOOST_TEST(first.rest() == "");
}

BOOST_AUTO_TEST_SUITE_END()
