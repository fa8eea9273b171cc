#include "api/base64.hpp"

#include <cstdint>

namespace podium::api {
namespace {

constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

char letter_of(uint32_t six_bits, base64_form form) {
  if (six_bits < 62) return letters[six_bits];
  return form == base64_form::standard ? "+/"[six_bits - 62] : "-_"[six_bits - 62];
}

/// 64 for what is no letter.
uint32_t bits_of(char c, base64_form form) {
  if (c >= 'A' && c <= 'Z') return static_cast<uint32_t>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<uint32_t>(c - 'a' + 26);
  if (c >= '0' && c <= '9') return static_cast<uint32_t>(c - '0' + 52);
  if (c == letter_of(62, form)) return 62;
  return c == letter_of(63, form) ? 63 : 64;
}

} // namespace

std::string to_base64(std::string_view in, base64_form form) {
  std::string out;
  out.reserve((in.size() + 2) / 3 * 4);
  uint32_t bits = 0;
  int have = 0;
  for (unsigned char c : in) {
    bits = (bits << 8) | c;
    for (have += 8; have >= 6; have -= 6)
      out += letter_of((bits >> (have - 6)) & 63, form);
  }
  if (have > 0) out += letter_of((bits << (6 - have)) & 63, form);
  while (form == base64_form::standard && out.size() % 4 != 0)
    out += '=';
  return out;
}

std::optional<std::string> from_base64(std::string_view in, base64_form form) {
  if (form == base64_form::standard) {
    if (in.size() % 4 != 0) return {};
    for (int i = 0; i < 2 && in.ends_with('='); ++i)
      in.remove_suffix(1);
  }
  if (in.size() % 4 == 1) return {};
  std::string out;
  out.reserve(in.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int have = 0;
  for (char c : in) {
    auto six_bits = bits_of(c, form);
    if (six_bits > 63) return {};
    bits = (bits << 6) | six_bits;
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out += static_cast<char>((bits >> have) & 255);
  }
  return out;
}

} // namespace podium::api
