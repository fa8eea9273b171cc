#include "config/json_access.hpp"
#include "config/selector.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <array>

namespace podium::config {
namespace {

constexpr size_t max_selector_bytes = 64 * 1024;

struct selectable_row {
  std::string_view resource;
  std::string_view field;
  std::string_view path = {}; ///< where it is in the object, if not at `field`
};

// Besides metadata.name, and metadata.namespace of what lives in one.
constexpr std::array selectable{
    selectable_row{"pods", "spec.nodeName"},
    selectable_row{"pods", "spec.restartPolicy"},
    selectable_row{"pods", "spec.schedulerName"},
    selectable_row{"pods", "spec.serviceAccountName"},
    selectable_row{"pods", "spec.hostNetwork"},
    selectable_row{"pods", "status.phase"},
    selectable_row{"pods", "status.podIP"},
    selectable_row{"pods", "status.podIPs"},
    selectable_row{"pods", "status.nominatedNodeName"},
    selectable_row{"nodes", "spec.unschedulable"},
    selectable_row{"namespaces", "status.phase"},
    selectable_row{"secrets", "type"},
    selectable_row{"events", "involvedObject.kind"},
    selectable_row{"events", "involvedObject.namespace"},
    selectable_row{"events", "involvedObject.name"},
    selectable_row{"events", "involvedObject.uid"},
    selectable_row{"events", "involvedObject.apiVersion"},
    selectable_row{"events", "involvedObject.resourceVersion"},
    selectable_row{"events", "involvedObject.fieldPath"},
    selectable_row{"events", "reason"},
    selectable_row{"events", "reportingComponent"},
    selectable_row{"events", "source", "source.component"},
    selectable_row{"events", "type"},
    selectable_row{"events.events.k8s.io", "regarding.kind"},
    selectable_row{"events.events.k8s.io", "regarding.namespace"},
    selectable_row{"events.events.k8s.io", "regarding.name"},
    selectable_row{"events.events.k8s.io", "regarding.uid"},
    selectable_row{"events.events.k8s.io", "regarding.apiVersion"},
    selectable_row{"events.events.k8s.io", "regarding.resourceVersion"},
    selectable_row{"events.events.k8s.io", "regarding.fieldPath"},
    selectable_row{"events.events.k8s.io", "reason"},
    selectable_row{"events.events.k8s.io", "reportingController"},
    selectable_row{"events.events.k8s.io", "type"},
};

constexpr std::array booleans{std::string_view{"spec.unschedulable"}, std::string_view{"spec.hostNetwork"}};

/// What lives in no namespace.
bool is_cluster_wide(std::string_view resource) {
  constexpr std::array names{std::string_view{"nodes"}, std::string_view{"namespaces"},
                             std::string_view{"persistentvolumes"},
                             std::string_view{"storageclasses.storage.k8s.io"}};
  return std::find(names.begin(), names.end(), resource) != names.end();
}

bool is_selectable(std::string_view resource, std::string_view field) {
  if (field == "metadata.name" || (field == "metadata.namespace" && !is_cluster_wide(resource))) return true;
  return std::any_of(selectable.begin(), selectable.end(),
                     [&](const auto& row) { return row.resource == resource && row.field == field; });
}

/// One term up to an unescaped comma.
std::string_view take_term(std::string_view& rest) {
  size_t at = 0;
  while (at < rest.size() && rest[at] != ',')
    at += rest[at] == '\\' ? 2 : 1;
  at = std::min(at, rest.size());
  auto term = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return term;
}

/// Undoes `\\`, `\,` and `\=`; false if a backslash stands before anything else or an operator is not
/// escaped.
bool unescape(std::string_view text, std::string& out) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == ',' || text[at] == '=') return false;
    if (text[at] == '\\') {
      ++at;
      if (at == text.size() || std::string_view{"\\,="}.find(text[at]) == std::string_view::npos)
        return false;
    }
    out += text[at];
  }
  return true;
}

caf::error refuse(const std::string& why) {
  return make_error(errc::bad_request, why);
}

caf::expected<field_requirement> read_term(std::string_view resource, std::string_view term) {
  auto at = term.find_first_of("=!");
  if (at == std::string_view::npos || (term[at] == '!' && term.substr(at, 2) != "!="))
    return refuse("invalid selector: '" + std::string{term} + "'; can't understand '" + std::string{term}
                  + "'");
  field_requirement out;
  out.field = term.substr(0, at);
  out.negated = term[at] == '!';
  auto value = term.substr(at + (out.negated || term.substr(at, 2) == "==" ? 2 : 1));
  if (!is_selectable(resource, out.field)) {
    // Kinds without fields of their own (leases) are refused by the general rule and in its words.
    bool has_own = std::any_of(selectable.begin(), selectable.end(),
                               [&](const auto& row) { return row.resource == resource; });
    return refuse(has_own ? "field label not supported: " + out.field
                          : "\"" + out.field
                                + "\" is not a known field selector: only \"metadata.name\", "
                                  "\"metadata.namespace\"");
  }
  if (!unescape(value, out.value))
    return refuse("invalid field selector: invalid escape sequence or operator in '" + std::string{value}
                  + "'");
  return out;
}

} // namespace

std::vector<std::string_view> selectable_fields(std::string_view resource) {
  std::vector<std::string_view> out{"metadata.name"};
  if (!is_cluster_wide(resource)) out.push_back("metadata.namespace");
  for (const auto& row : selectable)
    if (row.resource == resource) out.push_back(row.field);
  return out;
}

std::string field_text(const json::value& object, std::string_view field) {
  auto path = field;
  // "source" is the one field with a short name; an object at it tells an event apart from others.
  for (const auto& row : selectable)
    if (row.field == field && !row.path.empty()) path = row.path;
  const auto* value = &object;
  while (value != nullptr && !path.empty()) {
    auto dot = path.find('.');
    value = member(*value, path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  bool is_boolean = std::find(booleans.begin(), booleans.end(), field) != booleans.end();
  if (value == nullptr || value->is_null()) return is_boolean ? "false" : "";
  if (const auto* text = value->if_string()) return std::string{*text};
  if (const auto* flag = value->if_bool()) return *flag ? "true" : "false";
  if (const auto* list = value->if_array()) {
    std::string out;
    for (const auto& item : *list)
      out += (out.empty() ? "" : ",") + std::string{text_at(item, "ip")};
    return out;
  }
  return json::serialize(*value);
}

bool field_selector::matches(const json::value& object) const {
  return std::all_of(requirements.begin(), requirements.end(), [&](const auto& requirement) {
    return (field_text(object, requirement.field) == requirement.value) != requirement.negated;
  });
}

const std::string* field_selector::required_value(std::string_view field) const {
  for (const auto& requirement : requirements)
    if (!requirement.negated && requirement.field == field) return &requirement.value;
  return nullptr;
}

caf::expected<field_selector> parse_field_selector(std::string_view resource, std::string_view text) {
  if (text.size() > max_selector_bytes) return refuse("the field selector is longer than 64 KiB");
  field_selector out;
  for (auto rest = text; !rest.empty();) {
    auto term = take_term(rest);
    if (term.empty()) continue;
    auto requirement = read_term(resource, term);
    if (!requirement) return std::move(requirement.error());
    out.requirements.push_back(std::move(*requirement));
  }
  return out;
}

} // namespace podium::config
