// Validation of metadata, labels and label selectors: what all kinds share.
#include "config/judged.hpp"

namespace podium::config {
namespace {

constexpr size_t max_annotation_bytes = 256 * 1024;
constexpr size_t max_manager_bytes = 128;

/// generateName must look like a name once something is appended to it.
std::string with_suffix(std::string_view prefix) {
  std::string out{prefix};
  if (out.ends_with('-')) out.back() = 'a';
  return out;
}

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

void validate_annotations(const judged& metadata) {
  const auto* annotations = object_at(metadata.object(), "annotations");
  if (annotations == nullptr) return;
  size_t bytes = 0;
  for (const auto& [key, value] : *annotations) {
    metadata.out().invalid(metadata.at("annotations"), json::value(key), check_qualified_name(lower(key)));
    bytes += key.size() + (value.is_string() ? value.get_string().size() : 0);
  }
  if (bytes > max_annotation_bytes) metadata.out().too_long(metadata.at("annotations"), max_annotation_bytes);
}

void validate_owners(const judged& metadata) {
  auto path = metadata.at("ownerReferences");
  std::string first_controller;
  metadata.each("ownerReferences", [&](const judged& owner, size_t) {
    auto version = owner.text("apiVersion");
    auto slash = version.find('/');
    bool has_version = !version.empty() && slash != version.size() - 1;
    if (!has_version)
      owner.out().invalid(join_path(path, "apiVersion"), json::value(version), "version must not be empty");
    for (auto key : {"kind", "name", "uid"})
      if (owner.text(key).empty())
        owner.out().invalid(join_path(path, key), "", std::string{key} + " must not be empty");
    if (version == "v1" && owner.text("kind") == "Event")
      owner.out().invalid(path, json::value(owner.object()),
                          "/v1, Kind=Event is disallowed from being an owner");
    if (!owner.flag("controller")) return;
    auto name = std::string{owner.text("kind")} + "/" + std::string{owner.text("name")};
    if (first_controller.empty())
      first_controller = name;
    else
      owner.out().invalid(path, metadata.value("ownerReferences"),
                          "Only one reference can have Controller set to true. Found \"true\" in references "
                          "for "
                              + first_controller + " and " + name);
  });
}

void validate_finalizers(const judged& metadata) {
  bool orphans = false, deletes = false;
  metadata.each_text("finalizers", [&](std::string_view name, const std::string&) {
    metadata.out().invalid(metadata.at("finalizers"), json::value(name), check_qualified_name(name));
    orphans |= name == "orphan";
    deletes |= name == "foregroundDeletion";
  });
  if (orphans && deletes)
    metadata.invalid("finalizers", "finalizer orphan and foregroundDeletion cannot be both set");
  metadata.each_text("finalizers", [&](std::string_view name, const std::string& path) {
    validate_finalizer(name, path, metadata.out());
  });
}

void validate_managed_fields(const judged& metadata) {
  metadata.each("managedFields", [](const judged& entry, size_t) {
    if (auto operation = entry.text("operation"); operation != "Apply" && operation != "Update")
      entry.out().invalid(entry.at("operation"), json::value(operation), "must be `Apply` or `Update`");
    if (auto type = entry.text("fieldsType"); !type.empty() && type != "FieldsV1")
      entry.invalid("fieldsType", "must be `FieldsV1`");
    if (entry.text("manager").size() > max_manager_bytes)
      entry.out().too_long(entry.at("manager"), max_manager_bytes);
  });
}

judged metadata_of(const json::value& object, field_causes& out) {
  static const json::object none;
  const auto* found = object_at(object, "metadata");
  return {found == nullptr ? none : *found, "metadata", out};
}

/// What is checked the same on create and update.
void validate_common(const judged& metadata) {
  metadata.not_negative("generation");
  validate_labels(object_at(metadata.object(), "labels"), metadata.at("labels"), metadata.out());
  validate_annotations(metadata);
  validate_owners(metadata);
  validate_finalizers(metadata);
  validate_managed_fields(metadata);
}

} // namespace

void validate_finalizer(std::string_view name, const std::string& path, field_causes& out) {
  if (name.find('/') != std::string_view::npos || name == "kubernetes" || name == "orphan"
      || name == "foregroundDeletion")
    return;
  out.invalid(path, json::value(name), "name is neither a standard finalizer name nor is it fully qualified");
}

void validate_labels(const json::object* labels, const std::string& path, field_causes& out) {
  if (labels == nullptr) return;
  for (const auto& [key, value] : *labels) {
    out.invalid(path, json::value(key), check_qualified_name(key));
    std::string_view text = value.is_string() ? std::string_view{value.get_string()} : std::string_view{};
    out.invalid(path, json::value(text), check_label_value(text));
  }
}

void validate_label_selector(const judged& selector) {
  validate_labels(object_at(selector.object(), "matchLabels"), selector.at("matchLabels"), selector.out());
  selector.each("matchExpressions", [](const judged& rule, size_t) {
    auto op = rule.text("operator");
    if (op == "In" || op == "NotIn") {
      if (rule.list("values").empty())
        rule.out().required(rule.at("values"), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (!rule.list("values").empty())
        rule.forbidden("values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
      rule.out().invalid(rule.at("operator"), json::value(op), "not a valid selector operator");
    }
    rule.out().invalid(rule.at("key"), json::value(rule.text("key")), check_qualified_name(rule.text("key")));
    rule.each_text("values", [&](std::string_view value, const std::string& path) {
      rule.out().invalid(path, json::value(value), check_label_value(value));
    });
  });
}

void validate_metadata(const json::value& object, bool namespaced, name_check check, field_causes& out) {
  auto metadata = metadata_of(object, out);
  auto name = metadata.text("name");
  auto prefix = metadata.text("generateName");
  if (!prefix.empty()) out.invalid("metadata.generateName", json::value(prefix), check(with_suffix(prefix)));
  if (name.empty() && prefix.empty()) out.required("metadata.name", "name or generateName is required");
  metadata.format("name", check);
  if (namespaced)
    metadata.format("namespace", check_dns_label);
  else if (!metadata.text("namespace").empty())
    out.forbidden("metadata.namespace", "not allowed on this type");
  validate_common(metadata);
}

void validate_metadata_update(const json::value& before, const json::value& after, field_causes& out) {
  auto old_one = metadata_of(before, out);
  auto new_one = metadata_of(after, out);
  if (old_one.has("deletionTimestamp")) {
    std::string added;
    new_one.each_text("finalizers", [&](std::string_view name, const std::string&) {
      const auto& old_names = old_one.list("finalizers");
      if (std::find(old_names.begin(), old_names.end(), json::value(name)) == old_names.end())
        added += (added.empty() ? "" : ", ") + shown_value(json::value(name));
    });
    if (!added.empty())
      out.forbidden("metadata.finalizers",
                    "no new finalizers can be added if the object is being deleted, found new finalizers "
                    "[]string{"
                        + added + "}");
  }
  if (new_one.number("generation") < old_one.number("generation"))
    new_one.invalid("generation", "must not be decremented");
  for (auto key : {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"})
    if (new_one.text(key) != old_one.text(key))
      out.invalid(new_one.at(key), json::value(new_one.text(key)), "field is immutable");
}

} // namespace podium::config
