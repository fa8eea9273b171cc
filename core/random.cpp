#include "core/random.hpp"

#include <sys/random.h>

namespace podium {

std::string random_stream::uuid() {
  static constexpr char hex[] = "0123456789abcdef";
  uint64_t high = next();
  uint64_t low = next();
  high = (high & ~0xf000ULL) | 0x4000ULL;
  low = (low & ~(3ULL << 62)) | (2ULL << 62);
  std::string out;
  out.reserve(36);
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) out += '-';
    auto word = i < 16 ? high : low;
    out += hex[(word >> (60 - 4 * (i % 16))) & 0xf];
  }
  return out;
}

std::string random_stream::name_suffix(size_t length) {
  // Source: the alphabet of Kubernetes' name generator.
  static constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (size_t i = 0; i < length; ++i) {
    auto draw = below(alphabet.size());
    out += alphabet[draw];
  }
  return out;
}

uint64_t seed_from_system() {
  uint64_t seed = 0;
  while (::getrandom(&seed, sizeof seed, 0) != sizeof seed) {
  }
  return seed;
}

} // namespace podium
