#include "runtime/http/spdy_codec.hpp"

#include "core/error.hpp"
#include "runtime/http/spdy_dictionary.hpp"

#include <algorithm>
#include <zlib.h>

namespace podium {
namespace {

constexpr size_t head_bytes = 8;
constexpr uint16_t version = 3;
constexpr uint8_t flag_fin = 1;
constexpr uint32_t stream_mask = 0x7fffffff;

enum frame_type : uint16_t {
  t_syn_stream = 1,
  t_syn_reply = 2,
  t_rst_stream = 3,
  t_ping = 6,
  t_goaway = 7,
  t_headers = 8,
};

caf::error broken(std::string why) {
  return make_error(errc::bad_request, "SPDY: " + std::move(why));
}

uint32_t number(std::string_view bytes, size_t at, size_t size) {
  uint32_t out = 0;
  for (size_t i = 0; i < size; ++i)
    out = out << 8 | static_cast<uint8_t>(bytes[at + i]);
  return out;
}

void append_number(std::string& out, uint32_t value, unsigned size) {
  for (auto shift = 8 * size; shift > 0; shift -= 8)
    out += static_cast<char>(value >> (shift - 8));
}

std::string control_head(uint16_t type, uint8_t flags, size_t length) {
  std::string out;
  append_number(out, 0x8000 | version, 2);
  append_number(out, type, 2);
  append_number(out, flags, 1);
  append_number(out, static_cast<uint32_t>(length), 3);
  return out;
}

std::string control_frame(uint16_t type, std::string_view payload, uint8_t flags = 0) {
  return control_head(type, flags, payload.size()).append(payload);
}

std::string two_numbers(uint16_t type, uint32_t first, uint32_t second) {
  std::string payload;
  append_number(payload, first, 4);
  append_number(payload, second, 4);
  return control_frame(type, payload);
}

/// Fills `held` up to `size` from the front of `input`; true when it is full.
bool fill(std::string& held, size_t size, std::string_view& input) {
  auto n = std::min(size - held.size(), input.size());
  held += input.substr(0, n);
  input.remove_prefix(n);
  return held.size() == size;
}

} // namespace

std::string_view find_header(const spdy_headers& headers, std::string_view name) {
  for (auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

// -- decoding

/// One zlib stream for all header blocks of a connection, as the sender has it.
struct spdy_decoder::inflater {
  z_stream z{};
  bool usable = false;

  inflater() { usable = inflateInit(&z) == Z_OK; }
  ~inflater() { inflateEnd(&z); }

  /// All that `block` stands for; at most `limit` bytes, else an error.
  caf::expected<std::string> run(std::string_view block, size_t limit) {
    if (!usable) return broken("the headers cannot be read any more");
    usable = false; // until it ends well
    std::string out;
    char buffer[4096];
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(block.data()));
    z.avail_in = static_cast<uInt>(block.size());
    for (;;) {
      z.next_out = reinterpret_cast<Bytef*>(buffer);
      z.avail_out = sizeof buffer;
      auto rc = inflate(&z, Z_SYNC_FLUSH);
      if (rc == Z_NEED_DICT) rc = inflateSetDictionary(&z, spdy_dictionary.data(), spdy_dictionary.size());
      if (rc != Z_OK && rc != Z_BUF_ERROR) return broken("a header block is no zlib data");
      out.append(buffer, sizeof buffer - z.avail_out);
      if (out.size() > limit)
        return broken("a header block is longer than " + std::to_string(limit) + " bytes");
      if (rc == Z_BUF_ERROR || (z.avail_in == 0 && z.avail_out > 0)) break;
    }
    usable = true;
    return out;
  }
};

spdy_decoder::spdy_decoder(const spdy_limits& limits)
    : limits_(limits), inflater_(std::make_unique<inflater>()) {}

spdy_decoder::~spdy_decoder() = default;

caf::expected<std::optional<spdy_frame>> spdy_decoder::next(std::string_view& input) {
  using result = std::optional<spdy_frame>;
  for (;;) {
    if (part_ == part::head) {
      if (!fill(held_, head_bytes, input)) return result{};
      if (auto err = read_head()) return err;
      held_.clear();
    }
    if (part_ == part::control) {
      if (!fill(held_, left_, input)) return result{};
      part_ = part::head;
      auto frame = read_control();
      held_.clear();
      if (!frame || *frame) return frame;
      continue;
    }
    auto piece = input.substr(0, left_);
    input.remove_prefix(piece.size());
    left_ -= static_cast<uint32_t>(piece.size());
    auto of_data = part_ == part::data;
    bool fin = of_data && left_ == 0 && (flags_ & flag_fin) != 0;
    if (left_ == 0) part_ = part::head;
    if (of_data && (fin || !piece.empty())) return result{spdy_data{stream_, fin, piece}};
    if (left_ > 0) return result{};
  }
}

/// Eight bytes say what follows.
caf::error spdy_decoder::read_head() {
  auto first = number(held_, 0, 4);
  flags_ = static_cast<uint8_t>(held_[4]);
  left_ = number(held_, 5, 3);
  if ((first & ~stream_mask) == 0) {
    stream_ = first;
    if (stream_ == 0) return broken("data for stream 0");
    part_ = part::data;
    return {};
  }
  if (auto v = first >> 16 & 0x7fff; v != version) return broken("frame of version " + std::to_string(v));
  type_ = static_cast<uint16_t>(first);
  bool known = type_ == t_syn_stream || type_ == t_syn_reply || type_ == t_headers || type_ == t_rst_stream
               || type_ == t_ping || type_ == t_goaway;
  part_ = known ? part::control : part::passed_over;
  if (known && left_ > limits_.control_frame_bytes)
    return broken("a control frame of " + std::to_string(left_) + " bytes, more than "
                  + std::to_string(limits_.control_frame_bytes));
  return {};
}

/// A whole control frame is in held_. Nothing for one that says nothing to us.
caf::expected<std::optional<spdy_frame>> spdy_decoder::read_control() {
  using result = std::optional<spdy_frame>;
  std::string_view payload = held_;
  if (type_ == t_syn_stream || type_ == t_syn_reply || type_ == t_headers) return read_stream(payload);
  if (payload.size() != (type_ == t_ping ? 4u : 8u))
    return broken("a control frame of type " + std::to_string(type_) + " has "
                  + std::to_string(payload.size()) + " bytes");
  auto first = number(payload, 0, 4);
  if (type_ == t_ping) return result{spdy_ping{first}};
  auto second = number(payload, 4, 4);
  if (type_ == t_goaway) return result{spdy_goaway{first & stream_mask, second}};
  return result{spdy_rst_stream{first & stream_mask, second}};
}

/// A frame that carries headers. Those of HEADERS are read, too: they belong to the same zlib stream.
caf::expected<std::optional<spdy_frame>> spdy_decoder::read_stream(std::string_view payload) {
  using result = std::optional<spdy_frame>;
  // SYN_STREAM: stream, associated stream, priority and slot. The others: stream.
  size_t fixed = type_ == t_syn_stream ? 10 : 4;
  if (payload.size() < fixed) return broken("a frame is too short for its stream's number");
  auto stream = number(payload, 0, 4) & stream_mask;
  if (stream == 0) return broken("headers for stream 0");
  auto headers = read_headers(payload.substr(fixed));
  if (!headers) return std::move(headers.error());
  bool fin = (flags_ & flag_fin) != 0;
  if (type_ == t_syn_stream) return result{spdy_syn_stream{stream, fin, std::move(*headers)}};
  if (type_ == t_syn_reply) return result{spdy_syn_reply{stream, fin, std::move(*headers)}};
  return fin ? result{spdy_data{stream, true, {}}} : result{};
}

caf::expected<spdy_headers> spdy_decoder::read_headers(std::string_view block) {
  auto plain = inflater_->run(block, limits_.header_block_bytes);
  if (!plain) return std::move(plain.error());
  std::string_view rest = *plain;
  std::string_view text;
  auto read_number = [&](uint32_t& out) {
    if (rest.size() < 4) return false;
    out = number(rest, 0, 4);
    rest.remove_prefix(4);
    return true;
  };
  auto read_text = [&] {
    uint32_t size = 0;
    if (!read_number(size) || size > rest.size()) return false;
    text = rest.substr(0, size);
    rest.remove_prefix(size);
    return true;
  };
  uint32_t count = 0;
  if (!read_number(count)) return broken("a header block without its count");
  if (count > limits_.header_count)
    return broken(std::to_string(count) + " headers, more than " + std::to_string(limits_.header_count));
  spdy_headers out;
  for (uint32_t i = 0; i < count; ++i) {
    if (!read_text() || text.empty()) return broken("a header without a name");
    std::string name{text};
    for (auto& c : name)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (!read_text()) return broken("a header without a value");
    out.emplace_back(std::move(name), std::string{text});
  }
  if (!rest.empty()) return broken("something follows the last header");
  return out;
}

// -- encoding

struct spdy_encoder::deflater {
  z_stream z{};

  // A small window: our headers are few, and there is one of these for each connection.
  deflater() {
    deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 11, 1, Z_DEFAULT_STRATEGY);
    deflateSetDictionary(&z, spdy_dictionary.data(), spdy_dictionary.size());
  }
  ~deflater() { deflateEnd(&z); }

  void run(std::string_view plain, std::string& out) {
    char buffer[1024];
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
    z.avail_in = static_cast<uInt>(plain.size());
    do {
      z.next_out = reinterpret_cast<Bytef*>(buffer);
      z.avail_out = sizeof buffer;
      deflate(&z, Z_SYNC_FLUSH);
      out.append(buffer, sizeof buffer - z.avail_out);
    } while (z.avail_out == 0);
  }
};

spdy_encoder::spdy_encoder() : deflater_(std::make_unique<deflater>()) {}

spdy_encoder::~spdy_encoder() = default;

std::string spdy_encoder::with_headers(uint16_t type, std::string fixed, const spdy_headers& headers,
                                       bool fin) {
  std::string plain;
  append_number(plain, static_cast<uint32_t>(headers.size()), 4);
  for (auto& [name, value] : headers)
    for (auto& text : {name, value}) {
      append_number(plain, static_cast<uint32_t>(text.size()), 4);
      plain += text;
    }
  deflater_->run(plain, fixed);
  return control_frame(type, fixed, fin ? flag_fin : uint8_t{0});
}

std::string spdy_encoder::syn_stream(uint32_t stream, const spdy_headers& headers, bool fin) {
  std::string fixed;
  append_number(fixed, stream, 4);
  append_number(fixed, 0, 4); // associated with no other
  append_number(fixed, 0, 2); // priority and slot
  return with_headers(t_syn_stream, std::move(fixed), headers, fin);
}

std::string spdy_encoder::syn_reply(uint32_t stream, const spdy_headers& headers) {
  std::string fixed;
  append_number(fixed, stream, 4);
  return with_headers(t_syn_reply, std::move(fixed), headers, false);
}

std::string spdy_encoder::data(uint32_t stream, std::string_view bytes, bool fin) {
  std::string out;
  out.reserve(head_bytes + bytes.size());
  append_number(out, stream, 4);
  append_number(out, fin ? flag_fin : 0, 1);
  append_number(out, static_cast<uint32_t>(bytes.size()), 3);
  return out.append(bytes);
}

std::string spdy_encoder::rst_stream(uint32_t stream, spdy_status status) {
  return two_numbers(t_rst_stream, stream, static_cast<uint32_t>(status));
}

std::string spdy_encoder::ping(uint32_t id) {
  std::string payload;
  append_number(payload, id, 4);
  return control_frame(t_ping, payload);
}

std::string spdy_encoder::goaway(uint32_t last_stream, spdy_status status) {
  return two_numbers(t_goaway, last_stream, static_cast<uint32_t>(status));
}

} // namespace podium
