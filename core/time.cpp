#include "core/time.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace podium {
namespace {

using namespace std::chrono;

std::string format(wall_time t, int digits) {
  auto secs = floor<seconds>(t);
  auto day = floor<days>(secs);
  year_month_day ymd{day};
  hh_mm_ss<seconds> hms{secs - day};
  std::array<char, 48> buffer;
  auto n = std::snprintf(buffer.data(), buffer.size(), "%04d-%02u-%02uT%02d:%02d:%02d", int(ymd.year()),
                         unsigned(ymd.month()), unsigned(ymd.day()), int(hms.hours().count()),
                         int(hms.minutes().count()), int(hms.seconds().count()));
  std::string out(buffer.data(), static_cast<size_t>(n));
  if (digits > 0) {
    auto fraction = (t - secs).count();
    for (int i = digits; i < 9; ++i)
      fraction /= 10;
    n = std::snprintf(buffer.data(), buffer.size(), ".%0*lld", digits, static_cast<long long>(fraction));
    out.append(buffer.data(), static_cast<size_t>(n));
  }
  return out + 'Z';
}

/// Reads exactly `width` digits at `pos` and moves it; -1 when they are not there.
int digits_at(std::string_view s, size_t& pos, size_t width) {
  if (pos + width > s.size()) return -1;
  int value = 0;
  for (size_t end = pos + width; pos < end; ++pos) {
    if (s[pos] < '0' || s[pos] > '9') return -1;
    value = value * 10 + (s[pos] - '0');
  }
  return value;
}

bool skip(std::string_view s, size_t& pos, std::string_view any_of) {
  if (pos >= s.size() || any_of.find(s[pos]) == std::string_view::npos) return false;
  ++pos;
  return true;
}

std::optional<nanoseconds> parse_offset(std::string_view s, size_t pos) {
  if (skip(s, pos, "Zz")) return pos == s.size() ? std::optional{nanoseconds{0}} : std::nullopt;
  if (pos >= s.size() || (s[pos] != '+' && s[pos] != '-')) return {};
  auto sign = s[pos++] == '-' ? -1 : 1;
  auto h = digits_at(s, pos, 2);
  if (h < 0 || h > 23 || !skip(s, pos, ":")) return {};
  auto m = digits_at(s, pos, 2);
  if (m < 0 || m > 59 || pos != s.size()) return {};
  return sign * (hours{h} + minutes{m});
}

} // namespace

std::string to_rfc3339(wall_time t) {
  return format(t, 0);
}

std::string to_rfc3339_micro(wall_time t) {
  return format(t, 6);
}

std::string to_rfc3339_nano(wall_time t) {
  return format(t, 9);
}

std::optional<wall_time> parse_rfc3339(std::string_view s) {
  size_t pos = 0;
  auto y = digits_at(s, pos, 4);
  if (y < 0 || !skip(s, pos, "-")) return {};
  auto mo = digits_at(s, pos, 2);
  if (mo < 0 || !skip(s, pos, "-")) return {};
  auto d = digits_at(s, pos, 2);
  if (d < 0 || !skip(s, pos, "Tt ")) return {};
  auto h = digits_at(s, pos, 2);
  if (h < 0 || h > 23 || !skip(s, pos, ":")) return {};
  auto mi = digits_at(s, pos, 2);
  if (mi < 0 || mi > 59 || !skip(s, pos, ":")) return {};
  auto sec = digits_at(s, pos, 2);
  if (sec < 0 || sec > 60) return {};
  int64_t fraction = 0;
  if (skip(s, pos, ".,")) {
    size_t first = pos;
    int64_t scale = 100'000'000;
    for (; pos < s.size() && std::isdigit(static_cast<unsigned char>(s[pos])); ++pos, scale /= 10)
      fraction += (s[pos] - '0') * scale;
    if (pos == first) return {};
  }
  auto offset = parse_offset(s, pos);
  year_month_day ymd{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
  // Nanoseconds since 1970 in 64 bits end in 2262.
  if (!offset || !ymd.ok() || y < 1678 || y > 2261) return {};
  return wall_time{sys_days{ymd}} + hours{h} + minutes{mi} + seconds{sec} + nanoseconds{fraction} - *offset;
}

std::string to_go_duration(nanoseconds d) {
  if (d.count() == 0) return "0s";
  auto negative = d.count() < 0;
  auto u = negative ? 0 - static_cast<uint64_t>(d.count()) : static_cast<uint64_t>(d.count());
  // value/unit with the fraction's trailing zeros cut, as Go does.
  auto with_fraction = [](uint64_t value, uint64_t unit) {
    auto text = std::to_string(value / unit);
    auto rest = value % unit;
    if (rest == 0) return text;
    text += '.';
    for (unit /= 10; rest != 0; unit /= 10) {
      text += static_cast<char>('0' + rest / unit);
      rest %= unit;
    }
    return text;
  };
  std::string out = negative ? "-" : "";
  if (u < 1'000) return out + std::to_string(u) + "ns";
  if (u < 1'000'000) return out + with_fraction(u, 1'000) + "µs";
  if (u < 1'000'000'000) return out + with_fraction(u, 1'000'000) + "ms";
  constexpr uint64_t minute = 60'000'000'000, hour = 60 * minute;
  if (u >= hour) out += std::to_string(u / hour) + 'h';
  if (u >= minute) out += std::to_string(u % hour / minute) + 'm';
  return out + with_fraction(u % minute, 1'000'000'000) + 's';
}

std::optional<nanoseconds> parse_go_duration(std::string_view s) {
  bool negative = !s.empty() && s[0] == '-';
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  if (s == "0") return nanoseconds{0};
  if (s.empty()) return {};
  static constexpr std::pair<std::string_view, double> units[] = {
      {"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  double total = 0;
  while (!s.empty()) {
    size_t n = s.find_first_not_of("0123456789.");
    if (n == 0 || n == std::string_view::npos) return {};
    double value = 0;
    auto [end, ec] = std::from_chars(s.data(), s.data() + n, value);
    if (ec != std::errc{} || end != s.data() + n) return {};
    s.remove_prefix(n);
    n = std::min(s.find_first_of("0123456789."), s.size());
    auto unit = s.substr(0, n);
    s.remove_prefix(n);
    auto known = std::find_if(std::begin(units), std::end(units), [&](auto& x) { return x.first == unit; });
    if (known == std::end(units)) return {};
    total += value * known->second;
  }
  if (total >= 9.2e18) return {};
  auto ns = static_cast<int64_t>(std::llround(total));
  return nanoseconds{negative ? -ns : ns};
}

std::string to_human_duration(nanoseconds d) {
  // Source: kubectl's AGE column; boundaries as /docs of the field know them (HumanDuration).
  auto s = static_cast<long long>(d.count() / 1'000'000'000);
  if (s < -1) return "<invalid>";
  if (s < 0) return "0s";
  auto n = [](long long v, const char* unit) { return std::to_string(v) + unit; };
  auto two = [&](long long a, const char* ua, long long b, const char* ub) {
    return b == 0 ? n(a, ua) : n(a, ua) + n(b, ub);
  };
  if (s < 60 * 2) return n(s, "s");
  auto m = s / 60;
  if (m < 10) return two(m, "m", s % 60, "s");
  if (m < 60 * 3) return n(m, "m");
  auto h = s / 3600;
  if (h < 8) return two(h, "h", m % 60, "m");
  if (h < 48) return n(h, "h");
  if (h < 24 * 8) return two(h / 24, "d", h % 24, "h");
  if (h < 24 * 365 * 2) return n(h / 24, "d");
  if (h < 24 * 365 * 8) return two(h / 24 / 365, "y", h / 24 % 365, "d");
  return n(h / 24 / 365, "y");
}

} // namespace podium
