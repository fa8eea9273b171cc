// Typed views of the objects that pods take data, identity and storage from: ConfigMap, Secret,
// ServiceAccount, PersistentVolume, PersistentVolumeClaim, StorageClass.
#pragma once
#include "messages/volume.hpp"

namespace podium {

struct config_map {
  object_meta metadata;
  std::map<std::string, std::string> data, binary_data; ///< binary_data in base64
  std::optional<bool> immutable;
};
BOOST_DESCRIBE_STRUCT(config_map, (), (metadata, data, binary_data, immutable))

struct secret {
  object_meta metadata;
  std::map<std::string, std::string> data; ///< in base64
  std::string type;
  std::optional<bool> immutable;
};
BOOST_DESCRIBE_STRUCT(secret, (), (metadata, data, type, immutable))

struct local_object_reference {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(local_object_reference, (), (name))

struct service_account {
  object_meta metadata;
  std::vector<local_object_reference> secrets, image_pull_secrets;
  std::optional<bool> automount_service_account_token;
};
BOOST_DESCRIBE_STRUCT(service_account, (),
                      (metadata, secrets, image_pull_secrets, automount_service_account_token))

struct local_volume_source {
  std::string path, fs_type;
};
BOOST_DESCRIBE_STRUCT(local_volume_source, (), (path, fs_type))

struct claim_reference {
  std::string kind, namespace_, name, uid, api_version, resource_version;
};
BOOST_DESCRIBE_STRUCT(claim_reference, (), (kind, namespace_, name, uid, api_version, resource_version))

struct persistent_volume_spec {
  quantity_map capacity;
  std::vector<std::string> access_modes;
  std::string persistent_volume_reclaim_policy, storage_class_name, volume_mode;
  std::optional<claim_reference> claim_ref;
  std::optional<host_path_source> host_path;
  std::optional<local_volume_source> local;
  std::optional<boost::json::value> node_affinity;
};
BOOST_DESCRIBE_STRUCT(persistent_volume_spec, (),
                      (capacity, access_modes, persistent_volume_reclaim_policy, storage_class_name,
                       volume_mode, claim_ref, host_path, local, node_affinity))

struct persistent_volume_status {
  std::string phase, message, reason; ///< Available, Bound, Released, Failed
};
BOOST_DESCRIBE_STRUCT(persistent_volume_status, (), (phase, message, reason))

struct persistent_volume {
  object_meta metadata;
  persistent_volume_spec spec;
  persistent_volume_status status;
};
BOOST_DESCRIBE_STRUCT(persistent_volume, (), (metadata, spec, status))

struct volume_resources {
  quantity_map limits, requests;
};
BOOST_DESCRIBE_STRUCT(volume_resources, (), (limits, requests))

struct persistent_volume_claim_spec {
  std::vector<std::string> access_modes;
  volume_resources resources;
  std::string volume_name, volume_mode;
  std::optional<std::string> storage_class_name; ///< "" is none at all, absent the default one
  std::optional<boost::json::value> selector;
};
BOOST_DESCRIBE_STRUCT(persistent_volume_claim_spec, (),
                      (access_modes, resources, volume_name, volume_mode, storage_class_name, selector))

struct persistent_volume_claim_status {
  std::string phase; ///< Pending, Bound, Lost
  std::vector<std::string> access_modes;
  quantity_map capacity;
};
BOOST_DESCRIBE_STRUCT(persistent_volume_claim_status, (), (phase, access_modes, capacity))

struct persistent_volume_claim {
  object_meta metadata;
  persistent_volume_claim_spec spec;
  persistent_volume_claim_status status;
};
BOOST_DESCRIBE_STRUCT(persistent_volume_claim, (), (metadata, spec, status))

struct storage_class {
  object_meta metadata;
  std::string provisioner, reclaim_policy, volume_binding_mode;
  std::map<std::string, std::string> parameters;
};
BOOST_DESCRIBE_STRUCT(storage_class, (),
                      (metadata, provisioner, reclaim_policy, volume_binding_mode, parameters))

} // namespace podium
