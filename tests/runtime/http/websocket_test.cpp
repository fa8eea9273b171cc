#include "http_fixture.hpp"

using namespace podium;

namespace {

/// The client's half of RFC 6455, by hand.
struct websocket_client {
  raw_client raw;
  std::string head;
  explicit websocket_client(uint16_t port,
                            std::string_view protocols = "v5.channel.k8s.io, v4.channel.k8s.io",
                            int receive_buffer = 0)
      : raw(port, receive_buffer) {
    raw.send(
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: "
        + std::string{protocols} + "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    head = raw.take("\r\n\r\n");
  }
  static std::string frame(int first, std::string_view data, bool masked = true) {
    std::string f(1, static_cast<char>(first));
    auto bit = masked ? 0x80 : 0;
    if (data.size() < 126) {
      f += static_cast<char>(bit | static_cast<int>(data.size()));
    } else {
      auto small = data.size() < 65536;
      f += static_cast<char>(bit | (small ? 126 : 127));
      for (int shift = small ? 8 : 56; shift >= 0; shift -= 8)
        f += static_cast<char>(data.size() >> shift);
    }
    const char mask[] = {1, 2, 3, 4};
    if (masked) f.append(mask, 4);
    for (size_t i = 0; i < data.size(); ++i)
      f += masked ? static_cast<char>(data[i] ^ mask[i % 4]) : data[i];
    return f;
  }
  struct answer {
    int opcode;
    std::string data;
  };
  answer read() {
    auto start = raw.take(2);
    auto opcode = start[0] & 0x0f;
    size_t size = start[1] & 0x7f;
    auto bytes = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (bytes) {
      size = 0;
      for (unsigned char c : raw.take(static_cast<size_t>(bytes)))
        size = size << 8 | c;
    }
    return {opcode, raw.take(size)};
  }
  static int code(const answer& a) {
    return a.data.size() < 2
               ? 0
               : static_cast<unsigned char>(a.data[0]) << 8 | static_cast<unsigned char>(a.data[1]);
  }
};

struct websocket_fixture : http_fixture {
  explicit websocket_fixture(http_limits limits = {}) : http_fixture(limits) {
    custom = [this](std::shared_ptr<http_exchange> x) {
      auto protocol = choose_subprotocol(x->request().headers.get("Sec-WebSocket-Protocol"),
                                         {"v4.channel.k8s.io", "v5.channel.k8s.io"});
      ws = x->accept_websocket(protocol);
      if (!ws) return;
      ws->on_message([this](websocket_opcode opcode, std::string_view data) { message(opcode, data); });
      ws->on_close([this](uint16_t code, std::string_view reason) {
        close_code = code;
        close_reason = std::string{reason};
        seen.hit("closed");
      });
      seen.hit("open");
    };
  }
  ~websocket_fixture() {
    loop.run([this] { ws.reset(); });
  }
  void message(websocket_opcode opcode, std::string_view data) {
    seen.hit("message");
    received += data.size();
    if (data == "finish") {
      // Output, status, close: in this order whatever is queued.
      ws->send_binary(std::string(1'000'000, 'o'));
      ws->send_binary("status");
      ws->close(1000, "done");
      BOOST_TEST(!ws->is_open());
      BOOST_TEST(!ws->send_binary("late"));
      ws->close(1001, "again");
      return;
    }
    if (echo) ws->send(opcode, data);
  }
  std::shared_ptr<websocket> ws;
  std::atomic<int> close_code = 0;
  std::atomic<size_t> received = 0;
  std::string close_reason;
  bool echo = true;
};

} // namespace

BOOST_AUTO_TEST_SUITE(http_websockets)

BOOST_AUTO_TEST_CASE(accept_key_of_the_rfc) {
  BOOST_TEST(websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

BOOST_AUTO_TEST_CASE(the_clients_preference_decides) {
  BOOST_TEST(choose_subprotocol("v5, v4", {"v4", "v5"}) == "v5");
  BOOST_TEST(choose_subprotocol("x,v4", {"v4", "v5"}) == "v4");
  BOOST_TEST(choose_subprotocol("", {"v4"}) == "");
}

BOOST_FIXTURE_TEST_CASE(handshake, websocket_fixture) {
  websocket_client c{port};
  BOOST_TEST(c.head.starts_with("HTTP/1.1 101"));
  BOOST_TEST(c.head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != c.head.npos);
  BOOST_TEST(c.head.find("Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n") != c.head.npos);
  BOOST_TEST(c.head.find("Extensions") == c.head.npos);
  BOOST_TEST(c.head.find("Content-Length") == c.head.npos);
  raw_client plain{port};
  plain.send("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n");
  BOOST_TEST(plain.take("\r\n\r\n").starts_with("HTTP/1.1 400"));
}

BOOST_FIXTURE_TEST_CASE(echo_of_1300_kilobytes, websocket_fixture) {
  websocket_client c{port};
  std::string all;
  std::thread writer{[&] {
    for (int i = 0; i < 40; ++i)
      c.raw.send(websocket_client::frame(0x82, std::string(32 * 1024, static_cast<char>('a' + i % 26))));
  }};
  for (int i = 0; i < 40; ++i) {
    auto a = c.read();
    BOOST_TEST(a.opcode == 2);
    all += a.data;
  }
  writer.join();
  BOOST_TEST(all.size() == 40u * 32 * 1024);
  for (size_t i = 0; i < 40; ++i)
    BOOST_TEST(all[i * 32 * 1024] == static_cast<char>('a' + i % 26));
}

BOOST_FIXTURE_TEST_CASE(fragments_are_joined_and_text_is_text, websocket_fixture) {
  websocket_client c{port};
  c.raw.send(websocket_client::frame(0x01, "one ") + websocket_client::frame(0x89, "ping")
             + websocket_client::frame(0x80, "two"));
  auto pong = c.read();
  BOOST_TEST(pong.opcode == 0xa);
  BOOST_TEST(pong.data == "ping");
  auto text = c.read();
  BOOST_TEST(text.opcode == 1);
  BOOST_TEST(text.data == "one two");
}

BOOST_FIXTURE_TEST_CASE(close_comes_behind_all_data, websocket_fixture) {
  websocket_client c{port, "v5.channel.k8s.io", 4096};
  c.raw.send(websocket_client::frame(0x82, "finish"));
  BOOST_TEST(c.read().data.size() == 1'000'000u);
  BOOST_TEST(c.read().data == "status");
  auto close = c.read();
  BOOST_TEST(close.opcode == 8);
  BOOST_TEST(websocket_client::code(close) == 1000);
  BOOST_TEST(close.data.substr(2) == "done");
  // What a client still sends is swallowed: no reset reaches it before it has read everything.
  BOOST_TEST(c.raw.send(websocket_client::frame(0x82, std::string(100'000, 'x'))
                        + websocket_client::frame(0x88, "\x03\xe8")));
  BOOST_TEST(c.raw.rest() == "");
  c.raw.close();
  BOOST_TEST(seen.wait("closed"));
  BOOST_TEST(close_code == 1000);
  BOOST_TEST(seen.count("closed") == 1);
}

BOOST_FIXTURE_TEST_CASE(a_clients_close_is_echoed_and_reported, websocket_fixture) {
  websocket_client c{port};
  c.raw.send(websocket_client::frame(0x88, "\x03\xe9"
                                           "bye"));
  auto close = c.read();
  BOOST_TEST(close.opcode == 8);
  BOOST_TEST(websocket_client::code(close) == 1001);
  BOOST_TEST(c.raw.rest() == "");
  c.raw.close();
  BOOST_TEST(seen.wait("closed"));
  BOOST_TEST(close_code == 1001);
  BOOST_TEST(close_reason == "bye");
}

BOOST_FIXTURE_TEST_CASE(a_client_that_vanishes_is_1006, websocket_fixture) {
  { websocket_client c{port}; }
  BOOST_TEST(seen.wait("closed"));
  BOOST_TEST(close_code == 1006);
}

BOOST_FIXTURE_TEST_CASE(broken_rules_end_the_connection, websocket_fixture) {
  const std::tuple<const char*, std::string, int> table[] = {
      {"no mask", websocket_client::frame(0x82, "x", false), 1002},
      {"reserved bit", websocket_client::frame(0xc2, "x"), 1002},
      {"bad utf-8", websocket_client::frame(0x81, "\xff\xfe"), 1007},
      {"too long", websocket_client::frame(0x82, std::string(1024 * 1024 + 1, 'x')), 1009},
      {"opcode", websocket_client::frame(0x83, "x"), 1002},
  };
  int n = 0;
  for (auto& [what, bytes, code] : table) {
    websocket_client c{port};
    c.raw.send(bytes);
    auto close = c.read();
    BOOST_TEST(close.opcode == 8, what);
    BOOST_TEST(websocket_client::code(close) == code, what);
    BOOST_TEST(c.raw.rest() == "");
    c.raw.close();
    BOOST_TEST(seen.wait("closed", ++n));
  }
  BOOST_TEST(seen.count("message") == 0);
}

BOOST_FIXTURE_TEST_CASE(pausing_stops_the_sender_and_loses_nothing, websocket_fixture) {
  echo = false;
  websocket_client c{port};
  BOOST_TEST(seen.wait("open"));
  loop.run([&] { ws->pause_reading(); });
  constexpr size_t total = 400 * 32 * 1024;
  std::thread writer{[&] {
    for (int i = 0; i < 400; ++i)
      c.raw.send(websocket_client::frame(0x82, std::string(32 * 1024, 'x')));
    c.raw.send(websocket_client::frame(0x89, "end"));
  }};
  BOOST_TEST(seen.count("message") == 0);
  loop.run([&] { ws->resume_reading(); });
  auto pong = c.read();
  writer.join();
  BOOST_TEST(pong.data == "end");
  BOOST_TEST(seen.wait("message", 400));
  BOOST_TEST(received == total);
}

BOOST_FIXTURE_TEST_CASE(a_slow_reader_is_told_by_drain, websocket_fixture) {
  websocket_client c{port, "v5.channel.k8s.io", 4096};
  BOOST_TEST(seen.wait("open"));
  loop.run([&] {
    auto fill = [this] {
      while (ws->send_binary(std::string(16 * 1024, 'x'))) {
      }
      max_queued = std::max<size_t>(max_queued, ws->queued());
      seen.hit("full");
    };
    ws->on_drain(fill);
    fill();
  });
  for (int i = 0; i < 500; ++i)
    BOOST_TEST_REQUIRE(c.read().data.size() == 16u * 1024);
  BOOST_TEST(seen.wait("full", 2));
  BOOST_TEST(max_queued < 300u * 1024);
}

BOOST_FIXTURE_TEST_CASE(stop_closes_with_1001, websocket_fixture) {
  websocket_client c{port};
  BOOST_TEST(seen.wait("open"));
  server->stop();
  auto close = c.read();
  BOOST_TEST(close.opcode == 8);
  BOOST_TEST(websocket_client::code(close) == 1001);
  BOOST_TEST(c.raw.rest() == "");
  BOOST_TEST(seen.wait("closed"));
}

BOOST_FIXTURE_TEST_CASE(dropping_the_handle_closes, websocket_fixture) {
  websocket_client c{port};
  BOOST_TEST(seen.wait("open"));
  loop.run([&] { ws.reset(); });
  BOOST_TEST(websocket_client::code(c.read()) == 1000);
  BOOST_TEST(c.raw.rest() == "");
}

BOOST_AUTO_TEST_SUITE_END()
