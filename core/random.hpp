// The one seeded random stream. Distributions are our own: the standard's differ between libraries.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace podium {

/// FNV-1a, 64 bit: stable across runs and machines.
constexpr uint64_t fnv1a(std::string_view text, uint64_t hash = 0xcbf29ce484222325ULL) {
  for (char c : text)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

/// A deterministic stream of random numbers (splitmix64). Draw once per statement: the order of evaluation of
/// arguments differs between compilers.
class random_stream {
public:
  explicit random_stream(uint64_t seed = 0) : state_(seed) {}
  /// A stream of its own for `name`: what others draw does not move it.
  random_stream fork(std::string_view name) const {
    return random_stream{fnv1a(name, state_ ^ 0x9e3779b97f4a7c15ULL)};
  }

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// Uniform in [0, n); 0 for n = 0.
  uint64_t below(uint64_t n) {
    __extension__ using wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<wide>(next()) * n) >> 64);
  }
  /// Uniform in [0, 1), 53 bits.
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  /// A version 4 UUID, lower case.
  std::string uuid();
  /// `length` characters of Kubernetes' generateName alphabet (no vowels, no look-alikes).
  std::string name_suffix(size_t length = 5);

private:
  uint64_t state_;
};

/// A seed from the operating system, for the live daemon.
uint64_t seed_from_system();

} // namespace podium
