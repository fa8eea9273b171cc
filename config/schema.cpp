#include "config/schema.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace podium::config {
namespace {

using enum value_kind;
using enum field_shape;

constexpr schema_field rows[] = {
#include "config/schema_fields.inc"
};

constexpr schema_kind kinds[] = {
    {"", "v1", "Pod", "core.v1.Pod"},
    {"", "v1", "PodList", "core.v1.PodList"},
    {"", "v1", "Node", "core.v1.Node"},
    {"", "v1", "NodeList", "core.v1.NodeList"},
    {"", "v1", "Namespace", "core.v1.Namespace"},
    {"", "v1", "NamespaceList", "core.v1.NamespaceList"},
    {"", "v1", "Event", "core.v1.Event"},
    {"", "v1", "EventList", "core.v1.EventList"},
    {"", "v1", "Binding", "core.v1.Binding"},
    {"", "v1", "ConfigMap", "core.v1.ConfigMap"},
    {"", "v1", "ConfigMapList", "core.v1.ConfigMapList"},
    {"", "v1", "Secret", "core.v1.Secret"},
    {"", "v1", "SecretList", "core.v1.SecretList"},
    {"", "v1", "ServiceAccount", "core.v1.ServiceAccount"},
    {"", "v1", "ServiceAccountList", "core.v1.ServiceAccountList"},
    {"", "v1", "PersistentVolume", "core.v1.PersistentVolume"},
    {"", "v1", "PersistentVolumeList", "core.v1.PersistentVolumeList"},
    {"", "v1", "PersistentVolumeClaim", "core.v1.PersistentVolumeClaim"},
    {"", "v1", "PersistentVolumeClaimList", "core.v1.PersistentVolumeClaimList"},
    {"", "v1", "Status", "meta.v1.Status"},
    {"events.k8s.io", "v1", "Event", "events.v1.Event"},
    {"events.k8s.io", "v1", "EventList", "events.v1.EventList"},
    {"coordination.k8s.io", "v1", "Lease", "coordination.v1.Lease"},
    {"coordination.k8s.io", "v1", "LeaseList", "coordination.v1.LeaseList"},
    {"policy", "v1", "Eviction", "policy.v1.Eviction"},
    {"storage.k8s.io", "v1", "StorageClass", "storage.v1.StorageClass"},
    {"storage.k8s.io", "v1", "StorageClassList", "storage.v1.StorageClassList"},
    {"authentication.k8s.io", "v1", "SelfSubjectReview", "authentication.v1.SelfSubjectReview"},
    {"authentication.k8s.io", "v1", "TokenReview", "authentication.v1.TokenReview"},
    {"authentication.k8s.io", "v1", "TokenRequest", "authentication.v1.TokenRequest"},
    {"authorization.k8s.io", "v1", "SubjectAccessReview", "authorization.v1.SubjectAccessReview"},
    {"authorization.k8s.io", "v1", "LocalSubjectAccessReview", "authorization.v1.LocalSubjectAccessReview"},
    {"authorization.k8s.io", "v1", "SelfSubjectAccessReview", "authorization.v1.SelfSubjectAccessReview"},
    {"authorization.k8s.io", "v1", "SelfSubjectRulesReview", "authorization.v1.SelfSubjectRulesReview"},
};

// Kinds that come with every group and version.
constexpr schema_kind common_kinds[] = {
    {"", "", "DeleteOptions", "meta.v1.DeleteOptions"}, {"", "", "ListOptions", "meta.v1.ListOptions"},
    {"", "", "GetOptions", "meta.v1.GetOptions"},       {"", "", "CreateOptions", "meta.v1.CreateOptions"},
    {"", "", "UpdateOptions", "meta.v1.UpdateOptions"}, {"", "", "PatchOptions", "meta.v1.PatchOptions"},
};

/// The rows with their references resolved, grouped by type. Made once, then never changed.
class schema_index {
public:
  schema_index() : fields_(std::begin(rows), std::end(rows)) {
    for (size_t at = 0; at < fields_.size();) {
      size_t end = at;
      while (end < fields_.size() && fields_[end].owner == fields_[at].owner)
        ++end;
      auto name = fields_[at].owner;
      types_[name] = schema_type{name, name.substr(name.rfind('.') + 1), {&fields_[at], end - at}, {}};
      at = end;
    }
    for (auto& field : fields_)
      if (field.kind == value_kind::object) field.object = &types_.at(field.object_name);
    for (auto& [name, type] : types_) {
      for (const auto& field : type.fields)
        add_json_fields(type, field);
      std::sort(type.by_json_name.begin(), type.by_json_name.end(),
                [](const json_field& a, const json_field& b) { return a.field->name < b.field->name; });
    }
  }

  std::span<const schema_field> fields() const { return fields_; }

  const schema_type* find(std::string_view name) const {
    auto it = types_.find(name);
    return it == types_.end() ? nullptr : &it->second;
  }

private:
  static void add_json_fields(schema_type& type, const schema_field& field) {
    if (!field.has(f_inlined)) {
      type.by_json_name.push_back({&field, 0});
      return;
    }
    for (const auto& inner : field.object->fields)
      type.by_json_name.push_back({&inner, field.number});
  }

  std::vector<schema_field> fields_;
  std::map<std::string_view, schema_type> types_;
};

const schema_index& index() {
  static const schema_index the_index;
  return the_index;
}

} // namespace

json_field schema_type::find(std::string_view json_name) const {
  auto it = std::lower_bound(by_json_name.begin(), by_json_name.end(), json_name,
                             [](const json_field& a, std::string_view b) { return a.field->name < b; });
  return it == by_json_name.end() || it->field->name != json_name ? json_field{} : *it;
}

const schema_field* schema_type::find_number(uint32_t number) const {
  auto it =
      std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.number == number; });
  return it == fields.end() ? nullptr : &*it;
}

std::span<const schema_kind> all_kinds() {
  return kinds;
}

std::span<const schema_field> all_fields() {
  return index().fields();
}

const schema_type* find_type(std::string_view full_name) {
  return index().find(full_name);
}

const schema_type* type_of(const group_version_kind& gvk) {
  for (const auto& row : kinds)
    if (row.kind == gvk.kind && row.group == gvk.group && row.version == gvk.version)
      return find_type(row.type_name);
  for (const auto& row : common_kinds)
    if (row.kind == gvk.kind) return find_type(row.type_name);
  return nullptr;
}

group_version_kind make_gvk(std::string_view api_version, std::string_view kind) {
  auto slash = api_version.find('/');
  if (slash == std::string_view::npos) return {"", std::string{api_version}, std::string{kind}};
  return {std::string{api_version.substr(0, slash)}, std::string{api_version.substr(slash + 1)},
          std::string{kind}};
}

} // namespace podium::config
