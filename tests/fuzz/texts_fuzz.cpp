// Small texts with a meaning of their own. A quantity's or a duration's canonical text must mean the same and
// be its own canonical text.
#include "config/selector.hpp"
#include "config/settings.hpp"
#include "config/yaml.hpp"
#include "core/quantity.hpp"
#include "core/time.hpp"
#include "fuzz_input.hpp"

using namespace podium;

namespace {

void read_quantity(std::string_view text) {
  auto q = quantity::parse(text);
  if (!q) return;
  auto canonical = q->to_string();
  auto again = quantity::parse(canonical);
  fuzz::require(again && *again == *q, "a quantity's canonical text means the same");
  fuzz::require(again->to_string() == canonical, "a quantity's canonical text is canonical");
}

void read_times(std::string_view text) {
  if (auto d = parse_go_duration(text)) {
    auto again = parse_go_duration(to_go_duration(*d));
    fuzz::require(again && *again == *d, "a duration's text means the same");
    (void)to_human_duration(*d);
  }
  if (auto t = parse_rfc3339(text)) {
    auto again = parse_rfc3339(to_rfc3339_nano(*t));
    fuzz::require(again && *again == *t, "a time's text means the same");
  }
}

void read_selectors(std::string_view text) {
  (void)config::parse_field_selector("pods", text);
  auto selector = config::parse_label_selector(text);
  if (!selector) return;
  auto again = config::parse_label_selector(selector->to_string());
  fuzz::require(again && again->to_string() == selector->to_string(),
                "a selector's text is the same selector");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::input in{data, size};
  switch (in.choose(5)) {
  case 0:
    read_quantity(in.rest());
    break;
  case 1:
    (void)config::parse_settings(in.rest(), "fuzz");
    break;
  case 2:
    read_times(in.rest());
    break;
  case 3:
    read_selectors(in.rest());
    break;
  default:
    (void)config::resolve_scalar(in.rest());
  }
  return 0;
}
