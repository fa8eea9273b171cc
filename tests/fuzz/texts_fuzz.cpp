// Small texts with a meaning of their own. A quantity's canonical text must mean the same and be its own
// canonical text.
#include "config/selector.hpp"
#include "config/settings.hpp"
#include "config/yaml.hpp"
#include "core/quantity.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <cstdlib>

using namespace podium;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  switch (data[0] % 3) {
  case 0:
    if (auto q = quantity::parse(text)) {
      auto canonical = q->to_string();
      auto again = quantity::parse(canonical);
      if (!again || *again != *q || again->to_string() != canonical) std::abort();
    }
    break;
  case 1:
    (void)config::parse_settings(text, "fuzz");
    break;
  default:
    (void)config::resolve_scalar(text);
  }
  return 0;
}
