#include "config/validate.hpp"

#include "config/document.hpp"
#include "config/json_access.hpp"

#include <algorithm>
#include <array>

namespace podium::config {
namespace {

constexpr size_t max_causes = 100;
constexpr size_t max_annotation_bytes = 256 * 1024;

struct reason_row {
  cause_reason reason;
  std::string_view name;
};

constexpr std::array reasons{
    reason_row{cause_reason::required, "FieldValueRequired"},
    reason_row{cause_reason::invalid, "FieldValueInvalid"},
    reason_row{cause_reason::not_supported, "FieldValueNotSupported"},
    reason_row{cause_reason::forbidden, "FieldValueForbidden"},
    reason_row{cause_reason::duplicate, "FieldValueDuplicate"},
    reason_row{cause_reason::not_found, "FieldValueNotFound"},
    reason_row{cause_reason::too_long, "FieldValueTooLong"},
    reason_row{cause_reason::too_many, "FieldValueTooMany"},
};

struct kind_row {
  std::string_view group;
  std::string_view kind;
  bool namespaced;
  name_check check;
};

format_problems any_path_segment(std::string_view name) {
  if (name == "." || name == "..") return {"may not be '" + std::string{name} + "'"};
  format_problems out;
  for (char c : {'/', '%'})
    if (name.find(c) != std::string_view::npos) out.push_back(std::string{"may not contain '"} + c + "'");
  return out;
}

constexpr std::array kind_rows{
    kind_row{"", "Pod", true, check_dns_subdomain},
    kind_row{"", "Node", false, check_dns_subdomain},
    kind_row{"", "Namespace", false, check_dns_label},
    kind_row{"", "Event", true, check_dns_subdomain},
    kind_row{"events.k8s.io", "Event", true, check_dns_subdomain},
    kind_row{"coordination.k8s.io", "Lease", true, check_dns_subdomain},
};

const kind_row* row_of(const group_version_kind& gvk) {
  auto it = std::find_if(kind_rows.begin(), kind_rows.end(),
                         [&](const auto& row) { return row.group == gvk.group && row.kind == gvk.kind; });
  return it == kind_rows.end() ? nullptr : &*it;
}

/// generateName must look like a name once something is appended to it.
std::string with_suffix(std::string_view prefix) {
  std::string out{prefix};
  if (out.ends_with('-')) out.back() = 'a';
  return out;
}

void validate_owners(const json::object& metadata, field_causes& out) {
  const auto& owners = list_at(metadata, "ownerReferences");
  for (size_t i = 0; i < owners.size(); ++i) {
    auto path = join_path("metadata.ownerReferences", i);
    for (auto key : {"apiVersion", "kind", "name", "uid"})
      if (text_at(owners[i], key).empty())
        out.invalid(join_path(path, key), "", std::string{key} + " must not be empty");
  }
}

void validate_taints(const json::object& spec, field_causes& out) {
  const auto& taints = list_at(spec, "taints");
  for (size_t i = 0; i < taints.size(); ++i) {
    auto path = join_path("spec.taints", i);
    auto key = text_at(taints[i], "key");
    out.invalid(join_path(path, "key"), json::value(key), check_qualified_name(key));
    auto value = text_at(taints[i], "value");
    out.invalid(join_path(path, "value"), json::value(value), check_label_value(value));
    auto effect = text_at(taints[i], "effect");
    if (effect.empty())
      out.required(join_path(path, "effect"));
    else if (effect != "NoSchedule" && effect != "PreferNoSchedule" && effect != "NoExecute")
      out.not_supported(join_path(path, "effect"), effect, {"NoSchedule", "PreferNoSchedule", "NoExecute"});
    for (size_t j = 0; j < i; ++j)
      if (text_at(taints[j], "key") == key && text_at(taints[j], "effect") == effect)
        out.duplicate(path, taints[i]);
  }
}

} // namespace

std::string_view to_string(cause_reason reason) {
  for (const auto& row : reasons)
    if (row.reason == reason) return row.name;
  return "FieldValueInvalid";
}

void field_causes::add(cause_reason reason, std::string field, std::string message) {
  if (causes_.size() < max_causes) causes_.push_back({reason, std::move(field), std::move(message)});
}

void field_causes::required(std::string field, std::string_view detail) {
  add(cause_reason::required, std::move(field),
      "Required value" + (detail.empty() ? std::string{} : ": " + std::string{detail}));
}

void field_causes::invalid(std::string field, const json::value& value, std::string_view detail) {
  auto shown = json::serialize(value);
  if (shown.size() > 1024) shown = shown.substr(0, 1024) + "…";
  add(cause_reason::invalid, std::move(field), "Invalid value: " + shown + ": " + std::string{detail});
}

void field_causes::invalid(std::string field, const json::value& value, const format_problems& problems) {
  for (const auto& problem : problems)
    invalid(field, value, problem);
}

void field_causes::not_supported(std::string field, std::string_view value,
                                 const std::vector<std::string_view>& supported) {
  std::string list;
  for (auto word : supported)
    list += (list.empty() ? "\"" : ", \"") + std::string{word} + "\"";
  add(cause_reason::not_supported, std::move(field),
      "Unsupported value: " + json::serialize(json::value(value)) + ": supported values: " + list);
}

void field_causes::forbidden(std::string field, std::string_view detail) {
  add(cause_reason::forbidden, std::move(field), "Forbidden: " + std::string{detail});
}

void field_causes::duplicate(std::string field, const json::value& value) {
  add(cause_reason::duplicate, std::move(field), "Duplicate value: " + json::serialize(value));
}

void field_causes::not_found(std::string field, std::string_view value) {
  add(cause_reason::not_found, std::move(field), "Not found: " + json::serialize(json::value(value)));
}

void field_causes::too_long(std::string field, size_t most_bytes) {
  add(cause_reason::too_long, std::move(field),
      "Too long: may not be more than " + std::to_string(most_bytes) + " bytes");
}

void field_causes::too_many(std::string field, size_t count, size_t most) {
  add(cause_reason::too_many, std::move(field),
      "Too many: " + std::to_string(count) + ": must have at most " + std::to_string(most) + " items");
}

void validate_labels(const json::object* labels, const std::string& path, field_causes& out) {
  if (labels == nullptr) return;
  for (const auto& [key, value] : *labels) {
    out.invalid(path, json::value(key), check_qualified_name(key));
    std::string_view text = value.is_string() ? std::string_view{value.get_string()} : std::string_view{};
    out.invalid(path, json::value(text), check_label_value(text));
  }
}

void validate_metadata(const json::value& object, bool namespaced, name_check check, field_causes& out) {
  static const json::object none;
  const auto* found = object_at(object, "metadata");
  const auto& metadata = found == nullptr ? none : *found;
  auto name = text_at(metadata, "name");
  auto prefix = text_at(metadata, "generateName");
  if (!prefix.empty()) out.invalid("metadata.generateName", json::value(prefix), check(with_suffix(prefix)));
  if (name.empty() && prefix.empty()) out.required("metadata.name", "name or generateName is required");
  if (!name.empty()) out.invalid("metadata.name", json::value(name), check(name));
  auto ns = text_at(metadata, "namespace");
  if (!namespaced && !ns.empty()) out.forbidden("metadata.namespace", "not allowed on this type");
  if (namespaced && !ns.empty()) out.invalid("metadata.namespace", json::value(ns), check_dns_label(ns));
  if (int_at(metadata, "generation") < 0)
    out.invalid("metadata.generation", int_at(metadata, "generation"), "must be greater than or equal to 0");
  validate_labels(object_at(metadata, "labels"), "metadata.labels", out);
  size_t bytes = 0;
  if (const auto* annotations = object_at(metadata, "annotations"))
    for (const auto& [key, value] : *annotations) {
      std::string lower{key};
      std::transform(lower.begin(), lower.end(), lower.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      out.invalid("metadata.annotations", json::value(key), check_qualified_name(lower));
      bytes += key.size() + (value.is_string() ? value.get_string().size() : 0);
    }
  if (bytes > max_annotation_bytes) out.too_long("metadata.annotations", max_annotation_bytes);
  validate_owners(metadata, out);
  for (const auto& finalizer : list_at(metadata, "finalizers")) {
    std::string_view text =
        finalizer.is_string() ? std::string_view{finalizer.get_string()} : std::string_view{};
    auto problems = check_qualified_name(text);
    out.invalid("metadata.finalizers", finalizer, problems);
    bool standard = text == "kubernetes" || text == "orphan" || text == "foregroundDeletion";
    if (problems.empty() && !standard && text.find('/') == std::string_view::npos)
      out.invalid("metadata.finalizers", finalizer,
                  "name is neither a standard finalizer name nor is it fully qualified");
  }
}

void validate_metadata_update(const json::value& before, const json::value& after, field_causes& out) {
  static const json::value none;
  const auto* old_meta = member(before, "metadata");
  const auto* new_meta = member(after, "metadata");
  if (old_meta == nullptr) old_meta = &none;
  if (new_meta == nullptr) new_meta = &none;
  for (auto key : {"name", "namespace", "uid", "creationTimestamp"}) {
    auto is = text_at(*new_meta, key);
    if (is != text_at(*old_meta, key))
      out.invalid(join_path("metadata", key), json::value(is), "field is immutable");
  }
}

field_causes validate(const group_version_kind& gvk, const json::value& object) {
  if (gvk.group.empty() && gvk.kind == "Pod") return validate_pod(object);
  field_causes out;
  const auto* row = row_of(gvk);
  if (row == nullptr)
    validate_metadata(object, true, any_path_segment, out);
  else
    validate_metadata(object, row->namespaced, row->check, out);
  if (gvk.group.empty() && gvk.kind == "Node")
    if (const auto* spec = object_at(object, "spec")) {
      validate_taints(*spec, out);
      const auto& cidrs = list_at(*spec, "podCIDRs");
      for (size_t i = 0; i < cidrs.size(); ++i)
        if (cidrs[i].is_string())
          out.invalid(join_path("spec.podCIDRs", i), cidrs[i], check_cidr(cidrs[i].get_string()));
    }
  return out;
}

field_causes validate_update(const group_version_kind& gvk, const json::value& before,
                             const json::value& after) {
  if (gvk.group.empty() && gvk.kind == "Pod") return validate_pod_update(before, after);
  auto out = validate(gvk, after);
  validate_metadata_update(before, after, out);
  return out;
}

} // namespace podium::config
