// Label and field selectors: parsing as kubectl's users write them, and matching.
#pragma once
#include <boost/json.hpp>
#include <caf/expected.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace podium::config {

namespace json = boost::json;

/// What a requirement asks of a label.
enum class selector_op : uint8_t { in, not_in, exists, not_exists, greater, less };

/// One requirement; `=` is `in` with one value. `not_in` also holds where the label is missing.
struct label_requirement {
  std::string key;
  selector_op op = selector_op::in;
  std::vector<std::string> values;
  bool operator==(const label_requirement&) const = default;
};

/// Requirements that must all hold; none matches everything.
struct label_selector {
  std::vector<label_requirement> requirements;

  /// `labels` may be null (no labels).
  bool matches(const json::object* labels) const;
  bool empty() const { return requirements.empty(); }
  /// The canonical text, sorted by key.
  std::string to_string() const;
};

/// Parses `a=b,c==d,e!=f,g in (h,i),j notin (k),l,!m,n>1`. At most 1000 requirements and 64 KiB. Error:
/// errc::bad_request.
caf::expected<label_selector> parse_label_selector(std::string_view text);

/// Reads metav1.LabelSelector ({matchLabels, matchExpressions}). Error: errc::invalid.
caf::expected<label_selector> read_label_selector(const json::value& selector);

/// One term of a field selector.
struct field_requirement {
  std::string field;
  std::string value;
  bool negated = false;
};

/// Terms that must all hold.
struct field_selector {
  std::vector<field_requirement> requirements;

  /// Missing fields count as empty text, missing booleans as false.
  bool matches(const json::value& object) const;
  bool empty() const { return requirements.empty(); }
  /// The value that `field` must equal, or null if the selector does not say so.
  const std::string* required_value(std::string_view field) const;
};

/// Parses `a=b,c==d,e!=f`; values may escape `\\`, `\,` and `\=`. Only the fields `resource` supports are
/// taken
/// ("pods", "events", "events.events.k8s.io", …). Error: errc::bad_request, `field label not supported: x`.
caf::expected<field_selector> parse_field_selector(std::string_view resource, std::string_view text);

/// The fields by which lists of `resource` can be selected.
std::vector<std::string_view> selectable_fields(std::string_view resource);

/// The text of a field of an object, as field selectors see it.
std::string field_text(const json::value& object, std::string_view field);

} // namespace podium::config
