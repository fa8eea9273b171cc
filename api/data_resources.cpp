// The rows of ConfigMaps, Secrets, ServiceAccounts, PersistentVolumes, PersistentVolumeClaims and
// StorageClasses.
#include "api/printers.hpp"
#include "api/resources.hpp"

namespace podium::api {

std::vector<resource> data_resources() {
  constexpr uint16_t status_verbs = v_get | v_patch | v_update;
  std::vector<resource> rows;
  rows.push_back({
      .plural = "configmaps",
      .singular = "configmap",
      .kind = "ConfigMap",
      .group = "",
      .version = "v1",
      .short_names = {"cm"},
      .printer = &config_map_printer,
      .stored_as = "configmaps",
  });
  rows.push_back({
      .plural = "secrets",
      .singular = "secret",
      .kind = "Secret",
      .group = "",
      .version = "v1",
      .printer = &secret_printer,
      .stored_as = "secrets",
  });
  rows.push_back({
      .plural = "serviceaccounts",
      .singular = "serviceaccount",
      .kind = "ServiceAccount",
      .group = "",
      .version = "v1",
      .short_names = {"sa"},
      .subresources = {{"token", subresource_kind::token, v_create, "TokenRequest", "authentication.k8s.io",
                        "v1"}},
      .printer = &service_account_printer,
      .stored_as = "serviceaccounts",
  });
  rows.push_back({
      .plural = "persistentvolumes",
      .singular = "persistentvolume",
      .kind = "PersistentVolume",
      .group = "",
      .version = "v1",
      .namespaced = false,
      .short_names = {"pv"},
      .subresources = {{"status", subresource_kind::status, status_verbs, ""}},
      .printer = &volume_printer,
      .stored_as = "persistentvolumes",
  });
  rows.push_back({
      .plural = "persistentvolumeclaims",
      .singular = "persistentvolumeclaim",
      .kind = "PersistentVolumeClaim",
      .group = "",
      .version = "v1",
      .short_names = {"pvc"},
      .subresources = {{"status", subresource_kind::status, status_verbs, ""}},
      .printer = &claim_printer,
      .stored_as = "persistentvolumeclaims",
  });
  rows.push_back({
      .plural = "storageclasses",
      .singular = "storageclass",
      .kind = "StorageClass",
      .group = "storage.k8s.io",
      .version = "v1",
      .namespaced = false,
      .short_names = {"sc"},
      .printer = &storage_class_printer,
      .stored_as = "storageclasses.storage.k8s.io",
  });
  return rows;
}

} // namespace podium::api
