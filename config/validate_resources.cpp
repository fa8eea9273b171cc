// Validation of requests and limits: known names, 0 ≤ request ≤ limit.
#include "config/document.hpp"
#include "config/json_access.hpp"
#include "config/validate.hpp"
#include "core/quantity.hpp"

#include <optional>

namespace podium::config {
namespace {

bool is_standard(std::string_view name) {
  return name == "cpu" || name == "memory" || name == "ephemeral-storage" || name.starts_with("hugepages-");
}

/// Names with a domain that is not Kubernetes' own: counted in whole pieces, never overcommitted.
bool is_extended(std::string_view name) {
  return name.find('/') != std::string_view::npos && name.find("kubernetes.io/") == std::string_view::npos
         && !name.starts_with("requests.");
}

void validate_name(std::string_view name, const std::string& path, field_causes& out) {
  auto shown = json::value(name);
  auto problems = check_qualified_name(name);
  out.invalid(path, shown, problems);
  if (!problems.empty()) return;
  if (name.find('/') == std::string_view::npos) {
    if (is_standard(name)) return;
    out.invalid(path, shown, "must be a standard resource type or fully qualified");
    out.invalid(path, shown, "must be a standard resource for containers");
  } else if (name.find("kubernetes.io/") == std::string_view::npos && !is_extended(name)) {
    out.invalid(path, shown, "doesn't follow extended resource name standard");
  }
}

std::optional<quantity> amount_of(const json::value& value) {
  if (!value.is_string()) return std::nullopt;
  auto parsed = quantity::parse(value.get_string());
  if (!parsed) return std::nullopt;
  return *parsed;
}

void validate_amount(std::string_view name, const json::value& value, const std::string& path,
                     field_causes& out) {
  auto amount = amount_of(value);
  if (!amount) return out.invalid(path, value, "must be a quantity");
  if (amount->sign() < 0) out.invalid(path, value, "must be greater than or equal to 0");
  if (is_extended(name) && !amount->is_whole()) out.invalid(path, value, "must be an integer");
}

} // namespace

void validate_resources(const json::object& resources, const std::string& path, field_causes& out) {
  static const json::object none;
  const auto* limits = object_at(resources, "limits");
  const auto* requests = object_at(resources, "requests");
  if (limits == nullptr) limits = &none;
  if (requests == nullptr) requests = &none;
  for (const auto& [name, value] : *limits) {
    auto here = join_path(path, "limits") + "[" + std::string{name} + "]";
    validate_name(name, here, out);
    validate_amount(name, value, here, out);
  }
  for (const auto& [name, value] : *requests) {
    auto here = join_path(path, "requests") + "[" + std::string{name} + "]";
    validate_name(name, here, out);
    validate_amount(name, value, here, out);
    const auto* limit_value = limits->if_contains(name);
    if (limit_value == nullptr) {
      if (is_extended(name))
        out.required(join_path(path, "limits"), "Limit must be set for non overcommitable resources");
      continue;
    }
    auto request = amount_of(value);
    auto limit = amount_of(*limit_value);
    if (!request || !limit) continue;
    if (is_extended(name) && *request != *limit)
      out.invalid(join_path(path, "requests"), value,
                  "must be equal to " + std::string{name} + " limit of " + limit->to_string());
    else if (*request > *limit)
      out.invalid(join_path(path, "requests"), value,
                  "must be less than or equal to " + std::string{name} + " limit of " + limit->to_string());
  }
}

} // namespace podium::config
