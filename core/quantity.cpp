#include "core/quantity.hpp"

#include "core/error.hpp"

#include <array>
#include <boost/multiprecision/cpp_int.hpp>
#include <charconv>
#include <limits>
#include <optional>

namespace podium {
namespace {

using boost::multiprecision::cpp_int;
using int128 = quantity::int128;

constexpr std::string_view wrong_format =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
constexpr std::string_view wrong_suffix = "unable to parse quantity's suffix";
constexpr std::string_view wrong_number = "unable to parse numeric part of quantity";

// Longer texts are refused before any arithmetic: no real amount needs them.
constexpr size_t max_text_bytes = 256;
// Exponents beyond this give zero or the cap for every number of max_text_bytes digits.
constexpr int64_t max_exponent = 1000;

struct suffix_row {
  std::string_view text;
  int base;
  int exponent;
};

constexpr std::array suffixes{
    suffix_row{"n", 10, -9}, suffix_row{"u", 10, -6}, suffix_row{"m", 10, -3}, suffix_row{"", 10, 0},
    suffix_row{"k", 10, 3},  suffix_row{"M", 10, 6},  suffix_row{"G", 10, 9},  suffix_row{"T", 10, 12},
    suffix_row{"P", 10, 15}, suffix_row{"E", 10, 18}, suffix_row{"Ki", 2, 10}, suffix_row{"Mi", 2, 20},
    suffix_row{"Gi", 2, 30}, suffix_row{"Ti", 2, 40}, suffix_row{"Pi", 2, 50}, suffix_row{"Ei", 2, 60},
};

struct scale {
  int base = 10;
  int exponent = 0;
  quantity_format format = quantity_format::decimal_si;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<scale> read_suffix(std::string_view text) {
  for (const auto& row : suffixes)
    if (row.text == text)
      return scale{row.base, row.exponent,
                   row.base == 2 ? quantity_format::binary_si : quantity_format::decimal_si};
  if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return std::nullopt;
  auto digits = text.substr(1);
  if (digits[0] == '+') digits.remove_prefix(1);
  int64_t exponent = 0;
  auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  if (digits.empty() || end != digits.data() + digits.size() || ec == std::errc::invalid_argument)
    return std::nullopt;
  if (ec == std::errc::result_out_of_range) exponent = digits[0] == '-' ? -max_exponent : max_exponent;
  exponent = std::clamp(exponent, -max_exponent, max_exponent);
  return scale{10, static_cast<int>(exponent), quantity_format::decimal_exponent};
}

struct parts {
  bool negative = false;
  std::string digits; ///< without the point and without leading zeros; empty for zero
  int fraction_digits = 0;
  std::string_view suffix;
};

/// Splits "[+-]digits[.digits]suffix". The error text on failure.
std::string_view split(std::string_view text, parts& out) {
  size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) out.negative = text[at++] == '-';
  size_t seen = 0;
  for (; at < text.size() && is_digit(text[at]); ++at, ++seen)
    if (text[at] != '0' || !out.digits.empty()) out.digits += text[at];
  if (at < text.size() && text[at] == '.') {
    for (++at; at < text.size() && is_digit(text[at]); ++at, ++seen, ++out.fraction_digits)
      if (text[at] != '0' || !out.digits.empty()) out.digits += text[at];
  }
  out.suffix = text.substr(at);
  while (at < text.size() && std::string_view{"eEinumkKMGTP"}.find(text[at]) != std::string_view::npos)
    ++at;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  while (at < text.size() && is_digit(text[at]))
    ++at;
  if (at != text.size()) return wrong_format;
  if (seen == 0) return text.find('.') == std::string_view::npos ? wrong_format : wrong_number;
  return {};
}

cpp_int power_of_ten(int exponent) {
  return boost::multiprecision::pow(cpp_int{10}, static_cast<unsigned>(exponent));
}

int128 narrow(const cpp_int& value) {
  auto low = static_cast<uint64_t>(value & std::numeric_limits<uint64_t>::max());
  auto high = static_cast<uint64_t>(value >> 64);
  return static_cast<int128>(high) << 64 | low;
}

std::string digits_of(int128 value) {
  if (value == 0) return "0";
  bool negative = value < 0;
  std::string out;
  for (; value != 0; value /= 10) {
    auto digit = static_cast<int>(value % 10);
    out.insert(out.begin(), static_cast<char>('0' + (digit < 0 ? -digit : digit)));
  }
  if (negative) out.insert(out.begin(), '-');
  return out;
}

std::string_view suffix_for(int base, int exponent) {
  for (const auto& row : suffixes)
    if (row.base == base && row.exponent == exponent) return row.text;
  return {};
}

// Numbers of so many digits may pass the cap.
constexpr size_t max_short_digits = 18;

/// How many digits the decimal canonical text has.
size_t printed_digits(int128 nanos) {
  while (nanos % 1000 == 0)
    nanos /= 1000;
  return digits_of(nanos).size();
}

constexpr int128 cap_nanos = static_cast<int128>(std::numeric_limits<int64_t>::max()) * 1'000'000'000;

constexpr int128 power128(int exponent) {
  int128 out = 1;
  while (exponent-- > 0)
    out *= 10;
  return out;
}

// 1e28 units: what sums and short decimal texts may reach before they are capped.
constexpr int128 sum_limit_nanos = power128(37);

int128 saturate(int128 nanos) {
  return std::clamp(nanos, -sum_limit_nanos, sum_limit_nanos);
}

} // namespace

caf::expected<quantity> quantity::parse(std::string_view text) {
  if (text.empty() || text.size() > max_text_bytes)
    return make_error(errc::invalid, std::string{wrong_format});
  parts in;
  if (auto problem = split(text, in); !problem.empty())
    return make_error(errc::invalid, std::string{problem});
  auto suffix = read_suffix(in.suffix);
  if (!suffix) return make_error(errc::invalid, std::string{wrong_suffix});
  if (in.digits.empty()) return quantity{0, suffix->format};
  cpp_int amount{in.digits};
  int exponent = 9 - in.fraction_digits;
  if (suffix->base == 2)
    amount <<= suffix->exponent;
  else
    exponent += suffix->exponent;
  if (exponent >= 0) {
    amount *= power_of_ten(exponent);
  } else {
    // Something small is still something: round away from zero.
    auto divisor = power_of_ten(-exponent);
    amount = (amount + divisor - 1) / divisor;
  }
  bool is_short = suffix->base == 10 && in.digits.size() <= max_short_digits;
  static const cpp_int cap = cpp_int{std::numeric_limits<int64_t>::max()} * nanos_per_unit;
  static const cpp_int short_cap = power_of_ten(37);
  int128 nanos = amount > (is_short ? short_cap : cap) ? cap_nanos : narrow(amount);
  // What would be printed with too many digits is capped now, else it would be when it is read again.
  if (nanos > cap_nanos && printed_digits(nanos) > max_short_digits) nanos = cap_nanos;
  auto format = suffix->format;
  // Binary suffixes cannot show a fraction of one.
  if (format == quantity_format::binary_si && nanos < nanos_per_unit) format = quantity_format::decimal_si;
  return quantity{in.negative ? -nanos : nanos, format};
}

std::string quantity::to_string() const {
  if (nanos_ == 0) return "0";
  auto format = format_;
  constexpr int128 binary_from = static_cast<int128>(1024) * nanos_per_unit;
  if (format == quantity_format::binary_si
      && ((nanos_ > -binary_from && nanos_ < binary_from) || !is_whole()))
    format = quantity_format::decimal_si;
  if (format == quantity_format::binary_si) {
    auto amount = nanos_ / nanos_per_unit;
    int exponent = 0;
    for (; amount % 1024 == 0 && exponent < 60; amount /= 1024)
      exponent += 10;
    return digits_of(amount) + std::string{exponent == 0 ? "" : suffix_for(2, exponent)};
  }
  auto amount = nanos_;
  int exponent = -9;
  for (; amount % 1000 == 0; amount /= 1000)
    exponent += 3;
  if (exponent == 0) return digits_of(amount);
  if (format == quantity_format::decimal_si)
    if (auto suffix = suffix_for(10, exponent); !suffix.empty())
      return digits_of(amount) + std::string{suffix};
  return digits_of(amount) + "e" + std::to_string(exponent);
}

quantity quantity::rounded_up_to_milli() const {
  constexpr int64_t step = nanos_per_unit / 1000;
  auto rest = nanos_ % step;
  if (rest == 0) return *this;
  return quantity{nanos_ - rest + (nanos_ < 0 ? -step : step), format_};
}

quantity& quantity::operator+=(const quantity& other) {
  if (nanos_ == 0) format_ = other.format_;
  nanos_ = saturate(nanos_ + other.nanos_);
  return *this;
}

quantity& quantity::operator-=(const quantity& other) {
  if (nanos_ == 0) format_ = other.format_;
  nanos_ = saturate(nanos_ - other.nanos_);
  return *this;
}

int64_t quantity::scaled(int64_t nanos_each) const {
  auto out = nanos_ / nanos_each;
  if (nanos_ % nanos_each != 0) out += nanos_ < 0 ? -1 : 1;
  constexpr int128 low = std::numeric_limits<int64_t>::min();
  constexpr int128 high = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::clamp(out, low, high));
}

} // namespace podium
