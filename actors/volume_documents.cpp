#include "actors/volume_rules.hpp"

namespace podium::volume_rules {

namespace json = boost::json;

json::object reference_to(const object& claim) {
  return {{"kind", "PersistentVolumeClaim"},
          {"namespace", claim.key().ns},
          {"name", claim.key().name},
          {"uid", claim.uid()},
          {"apiVersion", "v1"},
          {"resourceVersion", std::to_string(claim.resource_version())}};
}

std::string name_for(const object& claim) {
  return "pvc-" + claim.uid();
}

json::value volume_for(const object& claim, const object& from, const std::string& path,
                       const std::string& node) {
  auto& wanted = claim.as_persistent_volume_claim();
  auto& storage = from.as_storage_class();
  auto requested = wanted.spec.resources.requests.find("storage");
  json::array modes;
  for (auto& mode : wanted.spec.access_modes)
    modes.emplace_back(mode);
  json::object expression{{"key", "kubernetes.io/hostname"}, {"operator", "In"}};
  expression["values"] = json::array{json::value(node)};
  json::object term;
  term["matchExpressions"] = json::array{json::value(std::move(expression))};
  json::object required;
  required["nodeSelectorTerms"] = json::array{json::value(std::move(term))};
  json::object spec;
  spec["capacity"] = {
      {"storage", requested == wanted.spec.resources.requests.end() ? "0" : requested->second}};
  spec["accessModes"] = std::move(modes);
  spec["persistentVolumeReclaimPolicy"] = storage.reclaim_policy.empty() ? "Delete" : storage.reclaim_policy;
  spec["storageClassName"] = from.key().name;
  spec["volumeMode"] = "Filesystem";
  spec["hostPath"] = {{"path", path}, {"type", "DirectoryOrCreate"}};
  spec["claimRef"] = reference_to(claim);
  spec["nodeAffinity"] = {{"required", std::move(required)}};
  json::object meta{{"name", name_for(claim)}};
  meta["annotations"] = {{provisioned_by, own_provisioner}};
  meta["finalizers"] = json::array{json::value(volume_finalizer)};
  return {{"apiVersion", "v1"},
          {"kind", "PersistentVolume"},
          {"metadata", std::move(meta)},
          {"spec", std::move(spec)},
          {"status", {{"phase", "Pending"}}}};
}

json::value default_class_document() {
  json::object meta{{"name", default_class}};
  meta["annotations"] = {{"storageclass.kubernetes.io/is-default-class", "true"}};
  return {{"apiVersion", "storage.k8s.io/v1"}, {"kind", "StorageClass"},
          {"metadata", std::move(meta)},       {"provisioner", own_provisioner},
          {"reclaimPolicy", "Delete"},         {"volumeBindingMode", "WaitForFirstConsumer"}};
}

} // namespace podium::volume_rules
