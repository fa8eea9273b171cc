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
  /// `value` is printed as JSON.
  void invalid(std::string field, const json::value& value, std::string_view detail);
  void invalid(std::string field, const json::value& value, const format_problems& problems);
  void not_supported(std::string field, std::string_view value,
                     const std::vector<std::string_view>& supported);
  void forbidden(std::string field, std::string_view detail);
  void duplicate(std::string field, const json::value& value);
  void not_found(std::string field, std::string_view value);
  void too_long(std::string field, size_t most_bytes);
  void too_many(std::string field, size_t count, size_t most);

  bool empty() const { return causes_.empty(); }
  size_t size() const { return causes_.size(); }
  auto begin() const { return causes_.begin(); }
  auto end() const { return causes_.end(); }
  const field_cause& operator[](size_t i) const { return causes_[i]; }

private:
  void add(cause_reason reason, std::string field, std::string message);
  std::vector<field_cause> causes_;
};

/// Validates a decoded and defaulted object; kinds without rules have their metadata checked.
field_causes validate(const group_version_kind& gvk, const json::value& object);

/// Validates a change from `before` to `after`, `after` itself included.
field_causes validate_update(const group_version_kind& gvk, const json::value& before,
                             const json::value& after);

field_causes validate_pod(const json::value& pod);

/// The pod's containers' images, activeDeadlineSeconds, tolerations (additions) and a negative grace period
/// may change.
field_causes validate_pod_update(const json::value& before, const json::value& after);

/// How names of a kind must look.
using name_check = format_problems (*)(std::string_view);

// The parts, for other kinds and for patches.
void validate_metadata(const json::value& object, bool namespaced, name_check check, field_causes& out);
void validate_metadata_update(const json::value& before, const json::value& after, field_causes& out);
void validate_labels(const json::object* labels, const std::string& path, field_causes& out);
void validate_pod_spec(const json::object& spec, const std::string& path, field_causes& out);
void validate_volumes(const json::array& volumes, const std::string& path, field_causes& out);
/// `kind` is "containers", "initContainers" or "ephemeralContainers".
void validate_container(const json::object& container, const std::string& path, std::string_view kind,
                        const json::object& pod_spec, field_causes& out);
void validate_probe(const json::object& probe, const std::string& path, field_causes& out);
void validate_handler(const json::object& handler, const std::string& path, bool is_probe, field_causes& out);
void validate_resources(const json::object& resources, const std::string& path, field_causes& out);

} // namespace podium::config
