// What YAML scalars mean, by the rules of the YAML reader that Kubernetes uses (1.1 with Go's integer
// literals).
#include "config/yaml.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace podium::config {
namespace {

struct word_row {
  std::string_view word;
  int meaning; // 0 false, 1 true, 2 null
};

constexpr std::array words{
    word_row{"y", 1},     word_row{"Y", 1},     word_row{"yes", 1},   word_row{"Yes", 1},
    word_row{"YES", 1},   word_row{"true", 1},  word_row{"True", 1},  word_row{"TRUE", 1},
    word_row{"on", 1},    word_row{"On", 1},    word_row{"ON", 1},    word_row{"n", 0},
    word_row{"N", 0},     word_row{"no", 0},    word_row{"No", 0},    word_row{"NO", 0},
    word_row{"false", 0}, word_row{"False", 0}, word_row{"FALSE", 0}, word_row{"off", 0},
    word_row{"Off", 0},   word_row{"OFF", 0},   word_row{"", 2},      word_row{"~", 2},
    word_row{"null", 2},  word_row{"Null", 2},  word_row{"NULL", 2},
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Go's integer literals: 0x, 0o, 0b, a leading 0 for octal, else decimal.
bool read_integer(std::string_view text, json::value& out) {
  bool negative = !text.empty() && text[0] == '-';
  bool has_sign = negative || (!text.empty() && text[0] == '+');
  auto digits = text.substr(has_sign ? 1 : 0);
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    auto mark = static_cast<char>(digits[1] | 0x20);
    base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    digits.remove_prefix(mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
  }
  uint64_t amount = 0;
  auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), amount, base);
  if (digits.empty() || ec != std::errc{} || end != digits.data() + digits.size()) return false;
  constexpr auto top = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (negative) {
    if (amount > top + 1) return false;
    out = static_cast<int64_t>(-amount);
  } else if (amount <= top) {
    out = static_cast<int64_t>(amount);
  } else {
    if (has_sign) return false;
    out = amount;
  }
  return true;
}

/// [-+]? (.digits | digits[.digits]) ([eE][-+]?digits)?
bool looks_like_float(std::string_view text) {
  size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  size_t before = 0, after = 0;
  for (; at < text.size() && is_digit(text[at]); ++at)
    ++before;
  if (at < text.size() && text[at] == '.')
    for (++at; at < text.size() && is_digit(text[at]); ++at)
      ++after;
  if (before + after == 0) return false;
  if (at < text.size() && (text[at] | 0x20) == 'e') {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    auto begin = at;
    while (at < text.size() && is_digit(text[at]))
      ++at;
    if (at == begin) return false;
  }
  return at == text.size();
}

bool read_float(std::string_view text, json::value& out) {
  if (!looks_like_float(text)) return false;
  if (text[0] == '+') text.remove_prefix(1);
  double number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc{} || end != text.data() + text.size()) return false;
  // As JSON a whole number has no fraction, so it fits integer fields.
  if (std::trunc(number) == number && std::abs(number) < 9.2e18)
    out = static_cast<int64_t>(number);
  else
    out = number;
  return true;
}

} // namespace

json::value resolve_scalar(std::string_view text) {
  for (const auto& row : words)
    if (row.word == text) return row.meaning == 2 ? json::value(nullptr) : json::value(row.meaning == 1);
  if (!is_digit(text[0]) && std::string_view{"+-."}.find(text[0]) == std::string_view::npos)
    return json::value(json::string_view{text});
  std::string plain;
  for (char c : text)
    if (c != '_') plain += c;
  json::value out;
  if (read_integer(plain, out) || read_float(plain, out)) return out;
  return json::value(json::string_view{text});
}

bool is_clean_utf8(std::string_view text, size_t& offset) {
  for (size_t at = 0; at < text.size();) {
    offset = at;
    auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) {
      if ((lead < 0x20 && lead != '\t' && lead != '\n' && lead != '\r') || lead == 0x7f) return false;
      ++at;
      continue;
    }
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || at + length > text.size()) return false;
    uint32_t code = lead & (0xff >> (length + 1));
    for (size_t i = 1; i < length; ++i) {
      auto next = static_cast<unsigned char>(text[at + i]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    if (overlong || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    at += length;
  }
  return true;
}

} // namespace podium::config
