// What the fuzz targets share: taking an input apart, and saying which property broke.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace podium::fuzz {

/// Ends the process when a property does not hold: libFuzzer keeps the input, the replay test names it.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: the property does not hold: %s\n", property);
  std::abort();
}

/// The bytes of one run, taken from the front.
class input {
public:
  input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}
  /// One of `n` choices, drawn from the first byte left; 0 when nothing is left.
  unsigned choose(unsigned n) {
    if (rest_.empty()) return 0;
    auto c = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return c % n;
  }
  /// The bytes up to the next zero byte, which is taken too; all that is left when there is none.
  std::string_view text() {
    auto end = rest_.find('\0');
    auto out = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return out;
  }
  std::string_view rest() const { return rest_; }

private:
  std::string_view rest_;
};

} // namespace podium::fuzz
