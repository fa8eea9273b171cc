// What a pod's spec says by reference: which objects it needs, and what its environment, volumes and mounts
// are once these are known. Pure. Texts of errors are the kubelet's.
#pragma once
#include "messages/lifecycle.hpp"
#include "messages/storage.hpp"

#include <functional>
#include <set>

namespace podium {

/// What of a pod and its node is known beside the spec. Pointers are not null and outlive the call.
struct input_facts {
  const object* ref = nullptr;
  const pod_inputs* inputs = nullptr;
  std::string pod_ip, host_ip;
  quantity_map allocatable; ///< the node's: what a container without a limit may take
};

// -- references
// -------------------------------------------------------------------------------------------------------

/// The objects that the pod refers to, sorted; further ones where `known` leads on: a bound claim to its
/// volume, a service account to its pull secrets. Null is nothing known.
std::vector<object_key> references_of(const object& ref, const pod_inputs* known);

/// A field of the pod as downwardAPI and fieldRef give it. Empty optional: there is no such field.
std::optional<std::string> field_value_of(const input_facts& facts, const std::string& field_path);

/// A request or limit as resourceFieldRef gives it: divided, rounded up. `container` is who asks where the
/// selector names nobody. Error errc::container_config.
caf::expected<std::string> resource_value_of(const input_facts& facts, const resource_field_selector& of,
                                             const std::string& container);

// -- environment
// ------------------------------------------------------------------------------------------------------

struct environment {
  std::vector<env_var> variables;    ///< each name once, values final
  std::vector<std::string> warnings; ///< of keys that are no names: events InvalidEnvironmentVariableNames
};

/// envFrom, then env, with `$(VAR)` of what came before. Errors, errc::container_config:
/// `configmap "x" not found`, `couldn't find key k in ConfigMap ns/x`, ...
caf::expected<environment> expand_environment(const input_facts& facts, const container_spec& container);

/// Replaces `$(NAME)`; `$$` is a dollar. `find` gives nothing for unknown names: they stay as written.
std::string expand_references(std::string_view text,
                              const std::function<std::optional<std::string>(const std::string& name)>& find);

/// The container as it is to be made: its environment expanded, with command and arguments by it.
caf::expected<container_spec> resolve_container(const input_facts& facts, const container_spec& container,
                                                std::vector<std::string>* warnings = nullptr);

// -- volumes
// ----------------------------------------------------------------------------------------------------------

/// A service account token that a projected volume of the pod has a file for.
struct token_wish {
  std::string volume, path;
  request_token request;
};
/// Empty until the service account is known.
std::vector<token_wish> tokens_of(const input_facts& facts);

/// Tokens that are held, by volume and path.
using token_map = std::map<std::pair<std::string, std::string>, std::string>;

struct volume_plan {
  std::vector<volume_wish> wishes;
  std::vector<volume_place> failures; ///< volumes that cannot be made now, each with its error
};
/// What the pod's volumes are to be, all that `inputs` and `tokens` suffice for.
volume_plan volumes_of(const input_facts& facts, const token_map& tokens);

/// Whether an emptyDir has grown beyond its sizeLimit: the text of the eviction, "" when none has.
std::string size_eviction_of(const pod_spec& spec, const volume_usage& usage);

/// What a container mounts where; `environment` (already expanded) is for subPathExpr, `places` say where
/// each volume lies. Error errc::container_config.
caf::expected<std::vector<container_mount>> mounts_of(const input_facts& facts,
                                                      const container_spec& container,
                                                      const std::map<std::string, std::string>& places);

} // namespace podium
