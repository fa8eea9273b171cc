// Typed views of what a pod's volumes, mounts and environment come from: core/v1 Volume and its sources.
// Names and meanings are the API's; a source that podium does not act on has no view.
#pragma once
#include "core/described.hpp"
#include "messages/meta.hpp"

namespace podium {

using quantity_map = std::map<std::string, std::string>;

/// ConfigMapKeySelector, SecretKeySelector: one key of an object in the pod's namespace.
struct key_selector {
  std::string name, key;
  std::optional<bool> optional_;
};
BOOST_DESCRIBE_STRUCT(key_selector, (), (name, key, optional_))

/// A field of the pod itself, as `metadata.labels['app']`.
struct object_field_selector {
  std::string api_version, field_path;
};
BOOST_DESCRIBE_STRUCT(object_field_selector, (), (api_version, field_path))

/// A request or limit of a container of the pod, as `limits.cpu`, divided and rounded up.
struct resource_field_selector {
  std::string container_name, resource, divisor;
};
BOOST_DESCRIBE_STRUCT(resource_field_selector, (), (container_name, resource, divisor))

/// At most one member is set.
struct env_var_source {
  std::optional<object_field_selector> field_ref;
  std::optional<resource_field_selector> resource_field_ref;
  std::optional<key_selector> config_map_key_ref, secret_key_ref;
};
BOOST_DESCRIBE_STRUCT(env_var_source, (), (field_ref, resource_field_ref, config_map_key_ref, secret_key_ref))

struct env_source_reference {
  std::string name;
  std::optional<bool> optional_;
};
BOOST_DESCRIBE_STRUCT(env_source_reference, (), (name, optional_))

/// Every key of a ConfigMap or Secret as an environment variable.
struct env_from_source {
  std::string prefix;
  std::optional<env_source_reference> config_map_ref, secret_ref;
};
BOOST_DESCRIBE_STRUCT(env_from_source, (), (prefix, config_map_ref, secret_ref))

struct volume_mount {
  std::string name, mount_path, sub_path, sub_path_expr;
  bool read_only = false;
  std::optional<std::string> mount_propagation, recursive_read_only;
};
BOOST_DESCRIBE_STRUCT(volume_mount, (),
                      (name, mount_path, sub_path, sub_path_expr, read_only, mount_propagation,
                       recursive_read_only))

struct empty_dir_source {
  std::string medium;                    ///< "" or Memory
  std::optional<std::string> size_limit; ///< a quantity of bytes
};
BOOST_DESCRIBE_STRUCT(empty_dir_source, (), (medium, size_limit))

struct host_path_source {
  std::string path;
  std::optional<std::string> type; ///< "", DirectoryOrCreate, Directory, FileOrCreate, File, Socket, ...
};
BOOST_DESCRIBE_STRUCT(host_path_source, (), (path, type))

struct key_to_path {
  std::string key, path;
  std::optional<int32_t> mode;
};
BOOST_DESCRIBE_STRUCT(key_to_path, (), (key, path, mode))

struct config_map_source {
  std::string name;
  std::vector<key_to_path> items;
  std::optional<int32_t> default_mode; ///< of volumes of their own; projections have their volume's
  std::optional<bool> optional_;
};
BOOST_DESCRIBE_STRUCT(config_map_source, (), (name, items, default_mode, optional_))

/// The name is `secretName` in a volume of its own, `name` in a projection.
struct secret_source {
  std::string secret_name, name;
  std::vector<key_to_path> items;
  std::optional<int32_t> default_mode;
  std::optional<bool> optional_;
};
BOOST_DESCRIBE_STRUCT(secret_source, (), (secret_name, name, items, default_mode, optional_))

struct downward_api_file {
  std::string path;
  std::optional<object_field_selector> field_ref;
  std::optional<resource_field_selector> resource_field_ref;
  std::optional<int32_t> mode;
};
BOOST_DESCRIBE_STRUCT(downward_api_file, (), (path, field_ref, resource_field_ref, mode))

struct downward_api_source {
  std::vector<downward_api_file> items;
  std::optional<int32_t> default_mode;
};
BOOST_DESCRIBE_STRUCT(downward_api_source, (), (items, default_mode))

struct service_account_token_source {
  std::string audience, path;
  std::optional<int64_t> expiration_seconds;
};
BOOST_DESCRIBE_STRUCT(service_account_token_source, (), (audience, path, expiration_seconds))

/// One source of a projected volume: one member is set.
struct volume_projection {
  std::optional<secret_source> secret;
  std::optional<config_map_source> config_map;
  std::optional<downward_api_source> downward_api;
  std::optional<service_account_token_source> service_account_token;
};
BOOST_DESCRIBE_STRUCT(volume_projection, (), (secret, config_map, downward_api, service_account_token))

struct projected_source {
  std::vector<volume_projection> sources;
  std::optional<int32_t> default_mode;
};
BOOST_DESCRIBE_STRUCT(projected_source, (), (sources, default_mode))

struct claim_source {
  std::string claim_name;
  bool read_only = false;
};
BOOST_DESCRIBE_STRUCT(claim_source, (), (claim_name, read_only))

/// One source is set; none of these: one that podium does not serve.
struct volume {
  std::string name;
  std::optional<empty_dir_source> empty_dir;
  std::optional<host_path_source> host_path;
  std::optional<config_map_source> config_map;
  std::optional<secret_source> secret;
  std::optional<downward_api_source> downward_api;
  std::optional<projected_source> projected;
  std::optional<claim_source> persistent_volume_claim;
};
BOOST_DESCRIBE_STRUCT(volume, (),
                      (name, empty_dir, host_path, config_map, secret, downward_api, projected,
                       persistent_volume_claim))

} // namespace podium
