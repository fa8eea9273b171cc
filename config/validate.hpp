// Validation: what Kubernetes refuses although it could be decoded, with its paths and its words.
#pragma once
#include "config/field_formats.hpp"
#include "config/schema.hpp"

#include <boost/json.hpp>
#include <caf/error.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace podium::config {

namespace json = boost::json;

/// The kinds of mistakes; their names are the `reason` of a cause.
enum class cause_reason : uint8_t {
  required,
  invalid,
  not_supported,
  forbidden,
  duplicate,
  not_found,
  too_long,
  too_many
};

/// "FieldValueRequired", "FieldValueInvalid", …
std::string_view to_string(cause_reason reason);

/// A value as Kubernetes prints it in a mistake: text quoted as Go does, lists of texts as `[]string{"a"}`,
/// the rest as JSON, cut at 4 KiB.
std::string shown_value(const json::value& value);

/// One mistake: `field` is its path, `message` says it without the path ("Required value", `Invalid value:
/// -1: must be …`).
struct field_cause {
  cause_reason reason;
  std::string field;
  std::string message;
  bool operator==(const field_cause&) const = default;
};

/// Collects mistakes, at most a hundred of them.
class field_causes {
public:
  void required(std::string field, std::string_view detail = {});
  /// `value` is printed by shown_value().
  void invalid(std::string field, const json::value& value, std::string_view detail);
  void invalid(std::string field, const json::value& value, const format_problems& problems);
  /// `shown` is printed as it is: for values that Go prints in a way of their own.
  void invalid_shown(std::string field, std::string_view shown, std::string_view detail);
  void not_supported(std::string field, std::string_view value,
                     const std::vector<std::string_view>& supported);
  void forbidden(std::string field, std::string_view detail);
  void duplicate(std::string field, const json::value& value);
  void duplicate_shown(std::string field, std::string_view shown, std::string_view detail);
  void not_found(std::string field, std::string_view value, std::string_view detail = {});
  void too_long(std::string field, size_t most_bytes);
  void too_many(std::string field, size_t count, size_t most);

  void take(const field_cause& cause) { add(cause.reason, cause.field, cause.message); }

  bool empty() const { return causes_.empty(); }
  size_t size() const { return causes_.size(); }
  auto begin() const { return causes_.begin(); }
  auto end() const { return causes_.end(); }
  const field_cause& operator[](size_t i) const { return causes_[i]; }

private:
  void add(cause_reason reason, std::string field, std::string message);
  std::vector<field_cause> causes_;
};

/// Validates a decoded and defaulted object that is to be created; kinds without rules have their metadata
/// checked.
field_causes validate(const group_version_kind& gvk, const json::value& object);

/// Validates a change from `before` to `after`, `after` itself included.
field_causes validate_update(const group_version_kind& gvk, const json::value& before,
                             const json::value& after);

/// Validates a change of the status alone (the status subresource).
field_causes validate_status_update(const group_version_kind& gvk, const json::value& before,
                                    const json::value& after);

field_causes validate_pod(const json::value& pod);

/// The pod's containers' images, activeDeadlineSeconds, tolerations (additions), scheduling gates (removals)
/// and a negative grace period may change.
field_causes validate_pod_update(const json::value& before, const json::value& after);

/// A change of the ephemeral containers alone (the ephemeralcontainers subresource): they may only come.
field_causes validate_ephemeral_update(const json::value& before, const json::value& after);

/// What is served but deserves a word: the texts of Kubernetes' Warning headers for a pod. `before` is the
/// stored version of an update, or null.
std::vector<std::string> warnings_of(const group_version_kind& gvk, const json::value& object,
                                     const json::value* before = nullptr);

/// How names of a kind must look.
using name_check = format_problems (*)(std::string_view);

} // namespace podium::config
