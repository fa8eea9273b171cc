// SPDY connections over real sockets: a server's streams against a client written by hand.
#include "http_fixture.hpp"
#include "runtime/http/spdy_session.hpp"
#include "runtime/http/websocket_tunnel.hpp"
#include "spdy_client.hpp"

using namespace podium;

namespace {

struct spdy_fixture : http_fixture {
  explicit spdy_fixture(spdy_session_limits l = {}, http_limits h = {}) : http_fixture(h), limits(l) {
    custom = [this](std::shared_ptr<http_exchange> x) {
      std::shared_ptr<byte_stream> transport;
      if (x->request().path == "/tunnel") {
        auto socket = x->accept_websocket("SPDY/3.1+portforward.k8s.io");
        if (socket) transport = make_websocket_tunnel(std::move(socket));
      } else {
        transport = x->accept_upgrade("SPDY/3.1");
      }
      if (transport) serve(std::move(transport));
    };
  }
  ~spdy_fixture() {
    loop.run([this] {
      session.reset();
      streams.clear();
    });
  }
  void serve(std::shared_ptr<byte_stream> transport) {
    session = spdy_session::make(std::move(transport), limits);
    session->on_stream([this](const spdy_session::stream_ptr& s) { return opened(s); });
    session->on_room([this](bool room) { seen.hit(room ? "room" : "no room"); });
    session->on_close([this](const caf::error& err) {
      why = err ? message_of(err) : "";
      seen.hit("closed");
    });
    seen.hit("open");
  }
  bool opened(const spdy_session::stream_ptr& s) {
    auto kind = std::string{s->header("streamtype")};
    if (kind == "refuse") return false;
    streams[s->id()] = s;
    auto weak = std::weak_ptr{s};
    s->on_close([this] { seen.hit("stream closed"); });
    if (kind == "stall") s->pause_reading();
    if (kind == "flood") {
      while (s->write(std::string(16 * 1024, 'f')))
        sent += 16 * 1024;
      return true;
    }
    s->on_data([this, weak](std::string_view bytes) {
      received += bytes.size();
      if (auto strong = weak.lock()) strong->write(bytes);
      seen.hit("data");
    });
    s->on_end([this, weak] {
      if (auto strong = weak.lock()) strong->finish();
      seen.hit("end");
    });
    return true;
  }
  template <class T>
  T ask(std::function<T()> f) {
    T out{};
    loop.run([&] { out = f(); });
    return out;
  }
  size_t open_streams() {
    return ask<size_t>([this] { return session->size(); });
  }

  spdy_session_limits limits;
  std::shared_ptr<spdy_session> session;
  std::map<uint32_t, spdy_session::stream_ptr> streams;
  std::string why;
  std::atomic<size_t> received = 0, sent = 0;
};

struct small_fixture : spdy_fixture {
  small_fixture() : spdy_fixture({.frames = {}, .streams = 3, .stream_input_bytes = 100'000}) {}
};

} // namespace

BOOST_AUTO_TEST_SUITE(spdy_session_suite)

BOOST_FIXTURE_TEST_CASE(streams_go_both_ways_and_end, spdy_fixture) {
  spdy_client peer{port};
  peer.open(1);
  BOOST_TEST(peer.until("reply 1"));
  peer.open(3);
  peer.say(3, "three");
  peer.say(1, "one");
  BOOST_TEST(peer.until_data(1, 3));
  BOOST_TEST(peer.data[1] == "one");
  BOOST_TEST(peer.data[3] == "three");
  BOOST_TEST(open_streams() == 2);
  peer.say(1, " more", true);
  BOOST_TEST(peer.until("fin 1"));
  BOOST_TEST(peer.data[1] == "one more");
  BOOST_TEST(open_streams() == 1);
  // A frame for a stream that has ended was on its way: it is dropped.
  peer.say(1, "late");
  peer.say(3, {}, true);
  BOOST_TEST(peer.until("fin 3"));
  BOOST_TEST(open_streams() == 0);
  BOOST_TEST(!peer.has("reset 1 9"));
}

BOOST_FIXTURE_TEST_CASE(a_stream_may_be_opened_half_closed, spdy_fixture) {
  spdy_client peer{port};
  peer.open(1, "echo", true);
  BOOST_TEST(peer.until("fin 1"));
  BOOST_TEST(open_streams() == 0);
}

BOOST_FIXTURE_TEST_CASE(pings_come_back_and_answers_do_not, spdy_fixture) {
  spdy_client peer{port};
  peer.raw.send(spdy_encoder::ping(2) + spdy_encoder::ping(5));
  BOOST_TEST(peer.until("ping 5"));
  BOOST_TEST(!peer.has("ping 2"));
}

BOOST_FIXTURE_TEST_CASE(streams_that_nobody_wants_are_refused, small_fixture) {
  spdy_client peer{port};
  peer.open(1, "refuse");
  BOOST_TEST(peer.until("reset 1 3"));
  for (uint32_t id : {3u, 5u, 7u, 9u})
    peer.open(id);
  BOOST_TEST(peer.until("reset 9 3"));
  BOOST_TEST(open_streams() == 3);
  peer.raw.send(spdy_encoder::rst_stream(5, spdy_status::cancel));
  BOOST_TEST(seen.wait("stream closed"));
  peer.open(11);
  peer.say(11, "again", true);
  BOOST_TEST(peer.until("fin 11"));
}

BOOST_FIXTURE_TEST_CASE(broken_rules_end_the_connection, spdy_fixture) {
  struct row {
    std::string bytes, why;
  };
  spdy_encoder even, old;
  auto backwards = old.syn_stream(3, {});
  backwards += old.syn_stream(1, {});
  const row rows[] = {
      {even.syn_stream(2, {}), "SPDY: a client cannot open stream 2 after 0"},
      {backwards, "SPDY: a client cannot open stream 1 after 3"},
      {spdy_encoder::data(7, "x"), "SPDY: data for stream 7, which was never opened"},
      {"GET / HTTP/1.1\r\n\r\n", "SPDY: data for stream 1195725856, which was never opened"},
  };
  int closed = 0;
  for (auto& r : rows) {
    spdy_client peer{port};
    peer.raw.send(r.bytes);
    while (peer.more()) {
    }
    peer.raw.close();
    BOOST_TEST(seen.wait("closed", ++closed));
    BOOST_TEST(why == r.why);
    BOOST_TEST_REQUIRE(!peer.seen.empty());
    BOOST_TEST(peer.seen.back().ends_with(" 1"), peer.seen.back());
  }
}

BOOST_FIXTURE_TEST_CASE(data_after_its_end_resets_the_stream, spdy_fixture) {
  spdy_client peer{port};
  peer.open(1, "flood");
  peer.say(1, "x", true);
  peer.say(1, "more");
  BOOST_TEST(peer.until("reset 1 9"));
}

BOOST_FIXTURE_TEST_CASE(a_stream_that_is_not_read_stops_the_connection, small_fixture) {
  spdy_client peer{port};
  peer.open(1, "stall");
  BOOST_TEST(peer.until("reply 1"));
  std::atomic<bool> done = false;
  const size_t total = 24 << 20;
  std::thread writer{[&] {
    std::string chunk(1 << 20, 's');
    for (size_t i = 0; i < total; i += chunk.size())
      peer.say(1, chunk);
    done = true;
  }};
  // The server's socket fills up, and then ours: the writer cannot end.
  for (size_t before = 1, now = 0; before != now || now == 0;) {
    before = now;
    now = ask<size_t>([this] { return session->buffered(); });
    std::this_thread::yield();
  }
  BOOST_TEST(ask<size_t>([this] { return session->buffered(); }) <= 100'000 + 64 * 1024);
  BOOST_TEST(!done);
  // Nobody reads the echo, but for this: it is dropped.
  loop.run([this] {
    streams[1]->on_data([this](std::string_view bytes) { received += bytes.size(); });
    streams[1]->on_end([this] { seen.hit("all there"); });
    streams[1]->resume_reading();
  });
  writer.join();
  peer.say(1, {}, true);
  BOOST_TEST(seen.wait("all there"));
  BOOST_TEST(received == total);
}

BOOST_FIXTURE_TEST_CASE(a_client_that_does_not_read_is_waited_for, spdy_fixture) {
  spdy_client peer{port, 4096};
  peer.open(1, "flood");
  BOOST_TEST(seen.wait("no room"));
  BOOST_TEST(seen.count("room") == 0);
  BOOST_TEST(sent <= 8u << 20);
  BOOST_TEST(peer.until_data(1, sent));
  BOOST_TEST(seen.wait("room"));
}

BOOST_FIXTURE_TEST_CASE(a_client_that_leaves_takes_its_streams_along, spdy_fixture) {
  {
    spdy_client peer{port};
    peer.open(1);
    peer.open(3);
    BOOST_TEST(peer.until("reply 3"));
  }
  BOOST_TEST(seen.wait("closed"));
  BOOST_TEST(seen.count("stream closed") == 2);
  BOOST_TEST(why == "");
  BOOST_TEST(!ask<bool>([this] { return streams[1]->write("too late"); }));
}

BOOST_FIXTURE_TEST_CASE(a_client_that_says_goodbye_finishes_its_streams, spdy_fixture) {
  spdy_client peer{port};
  peer.open(1);
  peer.raw.send(spdy_encoder::goaway(0, spdy_status::ok));
  peer.open(3);
  BOOST_TEST(peer.until("reset 3 3"));
  peer.say(1, "last words", true);
  BOOST_TEST(peer.until("fin 1"));
  BOOST_TEST(peer.until("goaway 3 0"));
  BOOST_TEST(peer.data[1] == "last words");
  peer.raw.close();
  BOOST_TEST(seen.wait("closed"));
}

BOOST_FIXTURE_TEST_CASE(a_server_that_stops_says_goodbye, spdy_fixture) {
  spdy_client peer{port};
  peer.open(1);
  BOOST_TEST(peer.until("reply 1"));
  server->stop();
  BOOST_TEST(peer.until("goaway 1 0"));
  BOOST_TEST(seen.wait("closed"));
  BOOST_TEST(seen.count("stream closed") == 1);
}

/// The same inside a WebSocket, cut into messages as it happens.
BOOST_FIXTURE_TEST_CASE(spdy_goes_through_a_websocket, spdy_fixture) {
  raw_client raw{port};
  raw.send("GET /tunnel HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n\r\n");
  auto head = raw.take("\r\n\r\n");
  BOOST_TEST(head.find("Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io") != head.npos);
  spdy_encoder encoder;
  auto bytes = encoder.syn_stream(1, {{"streamtype", "echo"}}) + spdy_encoder::data(1, "through", true);
  for (size_t at = 0; at < bytes.size(); at += 11) {
    auto piece = bytes.substr(at, 11);
    std::string frame{'\x82', static_cast<char>(0x80 | piece.size()), 0, 0, 0, 0};
    raw.send(frame + piece);
  }
  std::string inside;
  spdy_decoder decoder;
  bool fin = false;
  while (!fin) {
    auto start = raw.take(2);
    BOOST_TEST_REQUIRE(start.size() == 2u);
    BOOST_TEST_REQUIRE((start[0] & 0x0f) == 2);
    auto message = raw.take(static_cast<size_t>(start[1] & 0x7f));
    std::string_view rest = message;
    for (;;) {
      auto frame = decoder.next(rest);
      BOOST_TEST_REQUIRE(static_cast<bool>(frame));
      if (!*frame) break;
      if (auto* data = std::get_if<spdy_data>(&**frame)) {
        inside += data->bytes;
        fin |= data->fin;
      }
    }
  }
  BOOST_TEST(inside == "through");
  loop.run([this] { session->close(); });
  // GOAWAY in a message, then the WebSocket's own close.
  BOOST_TEST(raw.take(2) == std::string("\x82\x10"));
  raw.take(16);
  BOOST_TEST(raw.take(4) == std::string("\x88\x02\x03\xe8"));
  raw.close();
  BOOST_TEST(seen.wait("closed"));
}

BOOST_AUTO_TEST_SUITE_END()
