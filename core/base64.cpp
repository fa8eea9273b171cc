#include "core/base64.hpp"

#include <array>
#include <cstdint>

namespace podium {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> make_values() {
  std::array<int8_t, 256> out{};
  for (auto& v : out)
    v = -1;
  for (size_t i = 0; i < alphabet.size(); ++i)
    out[static_cast<unsigned char>(alphabet[i])] = static_cast<int8_t>(i);
  return out;
}
constexpr auto values = make_values();

} // namespace

std::string to_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    auto byte = [&](size_t at) {
      return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : uint32_t{0};
    };
    uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (unsigned n = 0; n < 4; ++n)
      out += i + n <= bytes.size() ? alphabet[group >> (18 - 6 * n) & 63] : '=';
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  size_t digits = 0, padding = 0;
  for (unsigned char c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    if (values[c] < 0 || padding > 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(values[c]);
    if (++digits % 4 == 0) {
      out += static_cast<char>(bits >> 16);
      out += static_cast<char>(bits >> 8);
      out += static_cast<char>(bits);
    }
  }
  auto rest = digits % 4;
  if (rest == 1 || (padding > 0 && rest + padding != 4)) return std::nullopt;
  if (rest >= 2) out += static_cast<char>(bits >> (rest == 2 ? 4 : 10));
  if (rest == 3) out += static_cast<char>(bits >> 2);
  return out;
}

} // namespace podium
