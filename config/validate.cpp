// Mistakes, and which rules judge which kind.
#include "config/validate.hpp"

#include "config/judged.hpp"
#include "config/validate_kinds.hpp"

#include <array>
#include <cstdio>

namespace podium::config {
namespace {

constexpr size_t max_causes = 100;
constexpr size_t max_shown_bytes = 4096;

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

constexpr std::array kind_rows{
    kind_row{"", "Node", false, check_dns_subdomain},
    kind_row{"", "Namespace", false, check_dns_label},
    kind_row{"coordination.k8s.io", "Lease", true, check_dns_subdomain},
    kind_row{"", "ConfigMap", true, check_dns_subdomain},
    kind_row{"", "Secret", true, check_dns_subdomain},
    kind_row{"", "ServiceAccount", true, check_dns_subdomain},
    kind_row{"", "PersistentVolume", false, check_dns_subdomain},
    kind_row{"", "PersistentVolumeClaim", true, check_dns_subdomain},
    kind_row{"storage.k8s.io", "StorageClass", false, check_dns_subdomain},
};

bool is(const group_version_kind& gvk, std::string_view group, std::string_view kind) {
  return gvk.group == group && gvk.kind == kind;
}

bool is_event(const group_version_kind& gvk) {
  return is(gvk, "", "Event") || is(gvk, "events.k8s.io", "Event");
}

std::string with_detail(std::string text, std::string_view detail) {
  return detail.empty() ? text : text + ": " + std::string{detail};
}

/// Text in quotes, with Go's escapes (%q).
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    constexpr std::string_view plain = "\a\b\f\n\r\t\v\\\"", escaped = "abfnrtv\\\"";
    if (auto i = plain.find(c); i != std::string_view::npos) {
      out += '\\';
      out += escaped[i];
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\x%02x", static_cast<unsigned>(c));
      out += buffer;
    } else {
      out += c;
    }
  }
  return out + '"';
}

void validate_namespace(const json::value& ns, field_causes& out) {
  if (const auto* spec = object_at(ns, "spec"))
    for (const auto& finalizer : list_at(*spec, "finalizers"))
      if (finalizer.is_string()) {
        out.invalid("spec.finalizers", finalizer, check_qualified_name(finalizer.get_string()));
        validate_finalizer(finalizer.get_string(), "spec.finalizers", out);
      }
}

/// What a kind has to say beyond its metadata, of an object and of a change.
struct content_row {
  std::string_view group;
  std::string_view kind;
  void (*judge)(const json::value& object, field_causes& out);
  void (*judge_update)(const json::value& before, const json::value& after, field_causes& out) = nullptr;
};

constexpr std::array content_rows{
    content_row{"", "Node", validate_node, validate_node_update},
    content_row{"", "Namespace", validate_namespace},
    content_row{"", "ConfigMap", validate_config_map, validate_config_map_update},
    content_row{"", "Secret", validate_secret, validate_secret_update},
    content_row{"", "PersistentVolume", validate_persistent_volume, validate_persistent_volume_update},
    content_row{"", "PersistentVolumeClaim", validate_claim, validate_claim_update},
    content_row{"storage.k8s.io", "StorageClass", validate_storage_class, validate_storage_class_update},
};

const content_row* content_of(const group_version_kind& gvk) {
  auto row = std::find_if(content_rows.begin(), content_rows.end(),
                          [&](const auto& r) { return is(gvk, r.group, r.kind); });
  return row == content_rows.end() ? nullptr : &*row;
}

} // namespace

std::string_view to_string(cause_reason reason) {
  for (const auto& row : reasons)
    if (row.reason == reason) return row.name;
  return "FieldValueInvalid";
}

std::string shown_value(const json::value& value) {
  std::string out;
  const auto* list = value.if_array();
  if (value.is_string()) {
    out = quoted(value.get_string());
  } else if (list != nullptr
             && std::all_of(list->begin(), list->end(), [](auto& v) { return v.is_string(); })) {
    for (const auto& item : *list)
      out += (out.empty() ? "" : ", ") + quoted(item.get_string());
    out = "[]string{" + out + "}";
  } else {
    out = json::serialize(value);
  }
  if (out.size() <= max_shown_bytes) return out;
  auto end = max_shown_bytes;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0) == 0x80)
    --end;
  return out.substr(0, end) + "…";
}

void field_causes::add(cause_reason reason, std::string field, std::string message) {
  if (causes_.size() < max_causes) causes_.push_back({reason, std::move(field), std::move(message)});
}

void field_causes::required(std::string field, std::string_view detail) {
  add(cause_reason::required, std::move(field), with_detail("Required value", detail));
}

void field_causes::invalid(std::string field, const json::value& value, std::string_view detail) {
  invalid_shown(std::move(field), shown_value(value), detail);
}

void field_causes::invalid_shown(std::string field, std::string_view shown, std::string_view detail) {
  add(cause_reason::invalid, std::move(field), with_detail("Invalid value: " + std::string{shown}, detail));
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
      "Unsupported value: " + shown_value(json::value(value)) + ": supported values: " + list);
}

void field_causes::forbidden(std::string field, std::string_view detail) {
  add(cause_reason::forbidden, std::move(field), with_detail("Forbidden", detail));
}

void field_causes::duplicate(std::string field, const json::value& value) {
  duplicate_shown(std::move(field), shown_value(value), {});
}

void field_causes::duplicate_shown(std::string field, std::string_view shown, std::string_view detail) {
  add(cause_reason::duplicate, std::move(field),
      with_detail("Duplicate value: " + std::string{shown}, detail));
}

void field_causes::not_found(std::string field, std::string_view value, std::string_view detail) {
  add(cause_reason::not_found, std::move(field),
      with_detail("Not found: " + shown_value(json::value(value)), detail));
}

void field_causes::too_long(std::string field, size_t most_bytes) {
  add(cause_reason::too_long, std::move(field),
      "Too long: may not be more than " + std::to_string(most_bytes) + " bytes");
}

void field_causes::too_many(std::string field, size_t count, size_t most) {
  add(cause_reason::too_many, std::move(field),
      "Too many: " + std::to_string(count) + ": must have at most " + std::to_string(most) + " items");
}

field_causes validate(const group_version_kind& gvk, const json::value& object) {
  if (is(gvk, "", "Pod")) return validate_pod(object);
  field_causes out;
  if (is_event(gvk)) {
    validate_event(gvk, object, out);
    return out;
  }
  auto row = std::find_if(kind_rows.begin(), kind_rows.end(),
                          [&](const auto& r) { return is(gvk, r.group, r.kind); });
  if (row == kind_rows.end())
    validate_metadata(object, true, check_path_segment, out);
  else
    validate_metadata(object, row->namespaced, row->check, out);
  if (const auto* content = content_of(gvk)) content->judge(object, out);
  return out;
}

field_causes validate_update(const group_version_kind& gvk, const json::value& before,
                             const json::value& after) {
  if (is(gvk, "", "Pod")) return validate_pod_update(before, after);
  field_causes out;
  if (is_event(gvk)) {
    validate_event_update(gvk, before, after, out);
    return out;
  }
  validate_metadata_update(before, after, out);
  for (const auto& cause : validate(gvk, after))
    if (std::find(out.begin(), out.end(), cause) == out.end()) out.take(cause);
  const auto* content = content_of(gvk);
  if (content != nullptr && content->judge_update != nullptr) content->judge_update(before, after, out);
  return out;
}

} // namespace podium::config
