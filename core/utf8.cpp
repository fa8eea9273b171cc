#include "core/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace podium {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

/// The length of the character that `text` begins with; 0 if it begins with none. Source: RFC 3629, 4.
size_t character_length(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  auto lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4 || !follows(1)) return 0;
  if (lead < 0xe0) return 2;
  auto second = byte(1);
  bool in_range = lead == 0xe0   ? second >= 0xa0 // not overlong
                  : lead == 0xed ? second < 0xa0  // no surrogate
                  : lead == 0xf0 ? second >= 0x90
                  : lead == 0xf4 ? second < 0x90 // up to U+10FFFF
                                 : true;
  if (!in_range || !follows(2)) return 0;
  if (lead < 0xf0) return 3;
  return follows(3) ? 4 : 0;
}

} // namespace

size_t utf8_prefix(std::string_view text) {
  constexpr uint64_t high_bits = 0x8080808080808080;
  size_t at = 0;
  while (at < text.size()) {
    // Nearly all text is ASCII: eight bytes at a time.
    if (uint64_t word = 0; at + sizeof word <= text.size()) {
      std::memcpy(&word, text.data() + at, sizeof word);
      if ((word & high_bits) == 0) {
        at += sizeof word;
        continue;
      }
    }
    auto length = character_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return at;
}

std::string to_utf8(std::string text) {
  auto good = utf8_prefix(text);
  if (good == text.size()) return text;
  std::string out;
  out.reserve(text.size() + 64);
  for (std::string_view rest = text; !rest.empty(); good = utf8_prefix(rest)) {
    out += rest.substr(0, good);
    rest.remove_prefix(good);
    if (rest.empty()) break;
    out += replacement;
    rest.remove_prefix(1);
  }
  return out;
}

} // namespace podium
