// SPDY frames, byte by byte: what both sides write, and what a decoder must refuse.
#include "core/error.hpp"
#include "runtime/http/spdy_codec.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace std::string_literals;

namespace {

std::string printed(const spdy_frame& frame) {
  struct printer {
    std::string operator()(const spdy_syn_stream& f) {
      return with("syn_stream", f.stream, f.fin, f.headers);
    }
    std::string operator()(const spdy_syn_reply& f) { return with("syn_reply", f.stream, f.fin, f.headers); }
    std::string operator()(const spdy_data& f) {
      return "data " + std::to_string(f.stream) + " \"" + std::string{f.bytes} + "\"" + (f.fin ? " fin" : "");
    }
    std::string operator()(const spdy_rst_stream& f) {
      return "rst_stream " + std::to_string(f.stream) + " " + std::to_string(f.status);
    }
    std::string operator()(const spdy_ping& f) { return "ping " + std::to_string(f.id); }
    std::string operator()(const spdy_goaway& f) {
      return "goaway " + std::to_string(f.last_stream) + " " + std::to_string(f.status);
    }
    static std::string with(std::string name, uint32_t stream, bool fin, const spdy_headers& headers) {
      name += " " + std::to_string(stream);
      for (auto& [key, value] : headers)
        name += " " + key + "=" + value;
      return name + (fin ? " fin" : "");
    }
  };
  return std::visit(printer{}, frame);
}

/// What a decoder makes of `bytes` given in pieces; a stream's data is joined up to its end. An error is the
/// last entry.
std::vector<std::string> decoded(std::string_view bytes, size_t piece = 1 << 20, spdy_limits limits = {}) {
  spdy_decoder decoder{limits};
  std::vector<std::string> out;
  std::string data;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    auto input = bytes.substr(0, piece);
    for (;;) {
      auto frame = decoder.next(input);
      if (!frame) {
        out.push_back("error " + message_of(frame.error()));
        return out;
      }
      if (!*frame) break;
      if (auto* d = std::get_if<spdy_data>(&**frame)) {
        data += d->bytes;
        if (!d->fin) continue;
        d->bytes = data;
      }
      out.push_back(printed(**frame));
      data.clear();
    }
  }
  return out;
}

std::vector<std::string> list(std::initializer_list<std::string> items) {
  return items;
}

/// A control frame by hand.
std::string control(uint16_t type, const std::string& payload, char flags = 0, uint16_t version = 3) {
  auto n = payload.size();
  std::string out{static_cast<char>(0x80 | version >> 8),
                  static_cast<char>(version),
                  static_cast<char>(type >> 8),
                  static_cast<char>(type),
                  flags,
                  static_cast<char>(n >> 16),
                  static_cast<char>(n >> 8),
                  static_cast<char>(n)};
  return out + payload;
}

const spdy_headers error_stream{{"streamtype", "error"}, {"port", "8080"}, {"requestid", "0"}};

} // namespace

BOOST_AUTO_TEST_SUITE(spdy_codec)

BOOST_AUTO_TEST_CASE(frames_are_laid_out_as_the_draft_says) {
  BOOST_TEST(spdy_encoder::data(5, "ab", true) == "\0\0\0\x05\x01\0\0\x02"s + "ab");
  BOOST_TEST(spdy_encoder::ping(7) == "\x80\x03\0\x06\0\0\0\x04\0\0\0\x07"s);
  BOOST_TEST(spdy_encoder::rst_stream(3, spdy_status::cancel)
             == "\x80\x03\0\x03\0\0\0\x08\0\0\0\x03\0\0\0\x05"s);
  BOOST_TEST(spdy_encoder::goaway(9, spdy_status::protocol_error)
             == "\x80\x03\0\x07\0\0\0\x08\0\0\0\x09\0\0\0\x01"s);
  auto opened = spdy_encoder{}.syn_stream(1, error_stream, true);
  BOOST_TEST(opened.substr(0, 5) == "\x80\x03\0\x01\x01"s);
  BOOST_TEST(opened.substr(8, 10) == "\0\0\0\x01\0\0\0\0\0\0"s);
  // Where zlib names the dictionary: its Adler-32.
  BOOST_TEST(opened.substr(20, 4) == "\xe3\xc6\xa7\xc2"s);
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_however_it_is_cut) {
  spdy_encoder client;
  std::string bytes;
  for (auto& frame :
       {client.syn_stream(1, error_stream, true), client.syn_stream(3, {{"streamtype", "data"}}),
        spdy_encoder::data(3, "GET / HTTP/1.1"), spdy_encoder::data(3, {}, true), spdy_encoder::ping(1),
        client.syn_reply(3), spdy_encoder::rst_stream(3, spdy_status::refused_stream),
        spdy_encoder::goaway(3, spdy_status::ok)})
    bytes += frame;
  auto whole =
      list({"syn_stream 1 streamtype=error port=8080 requestid=0 fin", "syn_stream 3 streamtype=data",
            "data 3 \"GET / HTTP/1.1\" fin", "ping 1", "syn_reply 3", "rst_stream 3 3", "goaway 3 0"});
  for (size_t piece : {1u, 2u, 3u, 7u, 8u, 9u, 64u, 1000u})
    BOOST_TEST(decoded(bytes, piece) == whole, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(header_blocks_hang_together) {
  spdy_encoder client;
  std::string bytes;
  std::vector<std::string> expected;
  for (int i = 0; i < 50; ++i) {
    bytes += client.syn_stream(static_cast<uint32_t>(2 * i + 1), {{"requestid", std::to_string(i)}});
    expected.push_back("syn_stream " + std::to_string(2 * i + 1) + " requestid=" + std::to_string(i));
  }
  BOOST_TEST(decoded(bytes) == expected, boost::test_tools::per_element());
  // The second frame alone is the middle of a zlib stream.
  spdy_encoder other;
  auto first = other.syn_stream(1, error_stream);
  BOOST_TEST(decoded(other.syn_stream(3, error_stream)).back()
             == "error SPDY: a header block is no zlib data");
}

BOOST_AUTO_TEST_CASE(names_are_lower_case) {
  spdy_headers headers{{"StreamType", "Error"}};
  BOOST_TEST(decoded(spdy_encoder{}.syn_stream(1, headers)) == list({"syn_stream 1 streamtype=Error"}),
             boost::test_tools::per_element());
  BOOST_TEST(find_header(headers, "port") == "");
  BOOST_TEST(find_header(error_stream, "port") == "8080");
}

BOOST_AUTO_TEST_CASE(frames_that_mean_nothing_here_are_passed_over) {
  auto bytes = control(4, std::string(20'000, 's')) + control(9, "12345678") + control(77, "?")
               + control(4, "") + spdy_encoder::data(1, {}) + spdy_encoder::ping(2);
  for (size_t piece : {1u, 5u, 100'000u})
    BOOST_TEST(decoded(bytes, piece) == list({"ping 2"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_headers_frame_is_read_for_its_place_in_the_stream) {
  // HEADERS looks like SYN_REPLY with another type.
  spdy_encoder client;
  auto more = client.syn_reply(1, error_stream);
  more[3] = 8;
  auto last = client.syn_reply(1, error_stream);
  last[3] = 8;
  last[4] = 1;
  auto bytes = more + last;
  bytes += client.syn_stream(3, error_stream);
  BOOST_TEST(decoded(bytes)
                 == list({"data 1 \"\" fin", "syn_stream 3 streamtype=error port=8080 requestid=0"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(broken_frames) {
  struct row {
    std::string bytes, error;
  };
  const row rows[] = {
      {"\0\0\0\0\0\0\0\x01x"s, "data for stream 0"},
      {control(6, "1234", 0, 2), "frame of version 2"},
      {control(6, "123"), "a control frame of type 6 has 3 bytes"},
      {control(3, "1234"), "a control frame of type 3 has 4 bytes"},
      {control(7, "123456789"), "a control frame of type 7 has 9 bytes"},
      {control(1, "123456789"), "a frame is too short for its stream's number"},
      {control(1, "\0\0\0\0\0\0\0\0\0\0"s), "headers for stream 0"},
      {control(1, "\0\0\0\x01\0\0\0\0\0\0"s), "a header block without its count"},
      {control(1, "\0\0\0\x01\0\0\0\0\0\0not zlib"s), "a header block is no zlib data"},
      {control(1, std::string(16 * 1024 + 1, 'x')), "a control frame of 16385 bytes, more than 16384"},
  };
  for (auto& r : rows) {
    auto got = decoded(r.bytes);
    BOOST_TEST_REQUIRE(!got.empty());
    BOOST_TEST(got.back() == "error SPDY: " + r.error);
  }
}

BOOST_AUTO_TEST_CASE(limits_of_headers) {
  auto read = [](const spdy_headers& headers, spdy_limits limits = {}) {
    return decoded(spdy_encoder{}.syn_stream(1, headers), 1 << 20, limits).back();
  };
  // A bomb: 100 KB of the same letter are some hundred bytes on the wire.
  BOOST_TEST(read({{"a", std::string(100'000, 'x')}})
             == "error SPDY: a header block is longer than 32768 bytes");
  BOOST_TEST(read(spdy_headers(65, {"a", "b"})) == "error SPDY: 65 headers, more than 64");
  BOOST_TEST(read(spdy_headers(3, {"a", "b"}), {.header_count = 2}) == "error SPDY: 3 headers, more than 2");
  BOOST_TEST(read({{"", "b"}}) == "error SPDY: a header without a name");
  BOOST_TEST(read({{"a", ""}}) == "syn_stream 1 a=");
  BOOST_TEST(read(spdy_headers(64, {"a", "b"})).starts_with("syn_stream 1 a=b"));
}

BOOST_AUTO_TEST_SUITE_END()
