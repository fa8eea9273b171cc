// Sums of amounts that users write: they stop at the ends of int64, as quantities do, and never wrap.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

namespace podium {

/// A period that users write in seconds, as one that may be added to any time: clocks count nanoseconds and
/// would wrap after 292 years. From 0 to 68 years; longer is for ever.
constexpr std::chrono::seconds bounded_period(int64_t seconds) {
  return std::chrono::seconds{std::clamp<int64_t>(seconds, 0, std::numeric_limits<int32_t>::max())};
}

constexpr int64_t saturating_add(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

constexpr int64_t saturating_subtract(int64_t a, int64_t b) {
  int64_t difference = 0;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return b < 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
}

/// a * b / divisor, the product exact; `divisor` is not 0.
constexpr int64_t saturating_share(int64_t a, int64_t b, int64_t divisor) {
  __extension__ using wide = __int128;
  auto exact = static_cast<wide>(a) * b / divisor;
  if (exact > std::numeric_limits<int64_t>::max()) return std::numeric_limits<int64_t>::max();
  if (exact < std::numeric_limits<int64_t>::min()) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(exact);
}

} // namespace podium
