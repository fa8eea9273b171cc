#include "config/default_kinds.hpp"

#include "config/json_access.hpp"
#include "core/base64.hpp"

#include <algorithm>
#include <array>

namespace podium::config {
namespace {

/// stringData is for writing only: it goes over into data, above what is there.
void default_secret(json::object& secret) {
  set_default(secret, "type", "Opaque");
  const auto* texts = object_at(secret, "stringData");
  if (texts == nullptr) return;
  auto given = *texts;
  auto& data = make_object(secret, "data");
  for (const auto& [key, value] : given)
    if (value.is_string()) data[key] = to_base64(value.get_string());
  secret.erase("stringData");
}

void default_volume(json::object& volume) {
  auto& spec = make_object(volume, "spec");
  set_default(spec, "persistentVolumeReclaimPolicy", "Retain");
  set_default(spec, "volumeMode", "Filesystem");
  with_object(spec, "hostPath", [](json::object& source) { set_default(source, "type", ""); });
  with_object(spec, "iscsi", [](json::object& source) { set_default(source, "iscsiInterface", "default"); });
  set_default(make_object(volume, "status"), "phase", "Pending");
}

/// dataSource and dataSourceRef say the same where both can.
void default_data_source(json::object& spec) {
  const auto* old = object_at(spec, "dataSource");
  const auto* ref = object_at(spec, "dataSourceRef");
  if (old != nullptr && ref == nullptr) {
    auto copy = *old;
    spec["dataSourceRef"] = std::move(copy);
  } else if (old == nullptr && ref != nullptr && text_at(*ref, "namespace").empty()) {
    auto copy = *ref;
    spec["dataSource"] = std::move(copy);
  }
}

void default_claim(json::object& claim) {
  auto& spec = make_object(claim, "spec");
  set_default(spec, "volumeMode", "Filesystem");
  default_data_source(spec);
  set_default(make_object(claim, "status"), "phase", "Pending");
}

void default_class(json::object& storage_class) {
  set_default(storage_class, "reclaimPolicy", "Delete");
  set_default(storage_class, "volumeBindingMode", "Immediate");
}

struct default_row {
  std::string_view group, kind;
  void (*apply)(json::object&);
  std::string_view finalizer = {}; ///< of a new object
  bool has_status = false;
};

constexpr std::array rows{
    default_row{"", "Secret", default_secret},
    default_row{"", "PersistentVolume", default_volume, "kubernetes.io/pv-protection", true},
    default_row{"", "PersistentVolumeClaim", default_claim, "kubernetes.io/pvc-protection", true},
    default_row{"storage.k8s.io", "StorageClass", default_class},
};

const default_row* row_of(const group_version_kind& gvk) {
  auto found = std::find_if(rows.begin(), rows.end(),
                            [&](const auto& row) { return row.group == gvk.group && row.kind == gvk.kind; });
  return found == rows.end() ? nullptr : &*found;
}

} // namespace

void default_other_kinds(const group_version_kind& gvk, json::value& object) {
  const auto* row = row_of(gvk);
  if (row != nullptr && object.is_object()) row->apply(object.get_object());
}

void init_storage_status(const group_version_kind& gvk, json::value& object) {
  const auto* row = row_of(gvk);
  if (row != nullptr && row->has_status && object.is_object())
    object.get_object()["status"] = {{"phase", "Pending"}};
}

void protect_storage_object(const group_version_kind& gvk, json::value& object) {
  const auto* row = row_of(gvk);
  if (row == nullptr || row->finalizer.empty() || !object.is_object()) return;
  auto& list = make_object(object.get_object(), "metadata")["finalizers"];
  if (!list.is_array()) list = json::array{};
  auto& names = list.get_array();
  json::value ours(row->finalizer);
  if (std::find(names.begin(), names.end(), ours) == names.end()) names.push_back(std::move(ours));
}

} // namespace podium::config
