// A SPDY client on a blocking socket.
#pragma once
#include "runtime/http/spdy_codec.hpp"
#include "tests/runtime/http/http_fixture.hpp"

namespace podium {

/// The client's half: frames are read into words, data is joined by stream.
struct spdy_client {
  raw_client raw;
  spdy_encoder encoder;
  spdy_decoder decoder;
  std::vector<std::string> seen;
  std::map<uint32_t, std::string> data;

  explicit spdy_client(uint16_t port, int receive_buffer = 0, const std::string& path = "/spdy",
                       const std::string& more_headers = {})
      : raw(port, receive_buffer) {
    raw.send("POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
             + more_headers + "Content-Length: 0\r\n\r\n");
    auto head = raw.take("\r\n\r\n");
    BOOST_TEST_REQUIRE(head.starts_with("HTTP/1.1 101 "), head);
    BOOST_TEST_REQUIRE(head.find("\r\nUpgrade: SPDY/3.1\r\n") != head.npos, head);
  }
  void open(uint32_t id, const std::string& kind = "echo", bool fin = false) {
    raw.send(encoder.syn_stream(id, {{"streamtype", kind}}, fin));
  }
  void open_with(uint32_t id, const spdy_headers& headers, bool fin = false) {
    raw.send(encoder.syn_stream(id, headers, fin));
  }
  void say(uint32_t id, std::string_view bytes, bool fin = false) {
    raw.send(spdy_encoder::data(id, bytes, fin));
  }
  void note(const spdy_syn_stream&) { seen.push_back("syn_stream"); }
  void note(const spdy_syn_reply& f) { seen.push_back("reply " + std::to_string(f.stream)); }
  void note(const spdy_data& f) {
    data[f.stream] += f.bytes;
    if (f.fin) seen.push_back("fin " + std::to_string(f.stream));
  }
  void note(const spdy_rst_stream& f) {
    seen.push_back("reset " + std::to_string(f.stream) + " " + std::to_string(f.status));
  }
  void note(const spdy_ping& f) { seen.push_back("ping " + std::to_string(f.id)); }
  void note(const spdy_goaway& f) {
    seen.push_back("goaway " + std::to_string(f.last_stream) + " " + std::to_string(f.status));
  }
  bool has(const std::string& word) { return std::find(seen.begin(), seen.end(), word) != seen.end(); }
  void decode(std::string_view bytes) {
    for (;;) {
      auto frame = decoder.next(bytes);
      BOOST_TEST_REQUIRE(static_cast<bool>(frame));
      if (!*frame) return;
      std::visit([this](auto& f) { note(f); }, **frame);
    }
  }
  bool more() {
    if (!raw.more()) return false;
    decode(std::exchange(raw.text, {}));
    return true;
  }
  /// Reads until that word was said; false when it never is.
  bool until(const std::string& word) {
    decode(std::exchange(raw.text, {}));
    while (!has(word))
      if (!more()) return false;
    return true;
  }
  bool until_data(uint32_t id, size_t size) {
    while (data[id].size() < size)
      if (!more()) return false;
    return true;
  }
};

} // namespace podium
