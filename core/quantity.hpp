// Kubernetes resource quantities: "250m", "64Mi", "1e3", "1.5Gi". Exact to one billionth, as there.
#pragma once
#include <caf/expected.hpp>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace podium {

/// How a quantity was written, and so how it is printed again.
enum class quantity_format : uint8_t {
  decimal_si,       ///< n u m (none) k M G T P E
  binary_si,        ///< Ki Mi Gi Ti Pi Ei
  decimal_exponent, ///< e3, E-6
};

/// A number of resource units (cpus, bytes, pieces), held exactly in billionths.
///
/// The rules are those of Kubernetes' resource.Quantity: finer values than 1n are rounded away from zero;
/// values that do not fit (more than 18 significant digits, or beyond 1e28) are capped at ±(2^63-1); printing
/// gives the canonical form: no fraction, the largest suffix that allows it, the family of suffixes that was
/// used on input.
class quantity {
public:
  __extension__ using int128 = __int128;

  constexpr quantity() = default;

  /// `value` units, exactly.
  static constexpr quantity of(int64_t value, quantity_format format = quantity_format::decimal_si) {
    return quantity{static_cast<int128>(value) * nanos_per_unit, format};
  }

  /// `millis` thousandths of a unit (`250` for a quarter of a cpu).
  static constexpr quantity of_milli(int64_t millis, quantity_format format = quantity_format::decimal_si) {
    return quantity{static_cast<int128>(millis) * (nanos_per_unit / 1000), format};
  }

  /// `bytes`, to be printed with binary suffixes.
  static constexpr quantity of_bytes(int64_t bytes) { return of(bytes, quantity_format::binary_si); }

  /// Reads a quantity. Error: errc::invalid with the text Kubernetes gives for this kind of mistake.
  static caf::expected<quantity> parse(std::string_view text);

  /// The canonical text, e.g. "500m" for 0.5, "1Gi" for 1024Mi, "1e3" for 1000e0.
  std::string to_string() const;

  /// Whole units (bytes), a fraction counting as one more away from zero; saturates at the limits of int64.
  int64_t value() const { return scaled(nanos_per_unit); }

  /// Thousandths (millicores), rounded and saturated as value() is.
  int64_t milli_value() const { return scaled(nanos_per_unit / 1000); }

  constexpr bool is_zero() const { return nanos_ == 0; }
  constexpr int sign() const { return nanos_ < 0 ? -1 : nanos_ > 0; }
  constexpr quantity_format format() const { return format_; }
  constexpr int128 nanos() const { return nanos_; }

  /// True if the value is a whole number of thousandths.
  constexpr bool is_whole_milli() const { return nanos_ % (nanos_per_unit / 1000) == 0; }

  /// True if the value is a whole number.
  constexpr bool is_whole() const { return nanos_ % nanos_per_unit == 0; }

  /// The next whole number of thousandths away from zero: what the API server stores of resources.
  quantity rounded_up_to_milli() const;

  /// Sums keep the left side's format, unless the left side is zero. They saturate at ±1e28 units.
  quantity& operator+=(const quantity& other);
  quantity& operator-=(const quantity& other);
  friend quantity operator+(quantity a, const quantity& b) { return a += b; }
  friend quantity operator-(quantity a, const quantity& b) { return a -= b; }
  constexpr quantity operator-() const { return quantity{-nanos_, format_}; }

  /// Compares amounts; the format does not matter (`1024Mi` equals `1Gi`).
  friend constexpr bool operator==(const quantity& a, const quantity& b) { return a.nanos_ == b.nanos_; }
  friend constexpr std::strong_ordering operator<=>(const quantity& a, const quantity& b) {
    return a.nanos_ < b.nanos_   ? std::strong_ordering::less
           : a.nanos_ > b.nanos_ ? std::strong_ordering::greater
                                 : std::strong_ordering::equal;
  }

private:
  static constexpr int64_t nanos_per_unit = 1'000'000'000;

  constexpr quantity(int128 nanos, quantity_format format) : nanos_(nanos), format_(format) {}
  int64_t scaled(int64_t nanos_each) const;

  int128 nanos_ = 0;
  quantity_format format_ = quantity_format::decimal_si;
};

} // namespace podium
