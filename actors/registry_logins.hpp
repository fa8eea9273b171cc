// Who a pod is at registries: the logins in its image pull secrets. Pure.
#pragma once
#include "messages/runtime.hpp"
#include "messages/storage.hpp"
#include "messages/volume_port.hpp"

namespace podium {

struct pod_logins {
  std::vector<registry_login> logins; ///< in the order of the secrets; within one by registry
  std::vector<std::string> missing;   ///< secrets that are named and not there, or of no use
};

/// The logins of a pod: of its imagePullSecrets, or where it names none, of its service account's. `inputs`
/// may be null: nothing is known, and nothing missing, yet. Source: Kubernetes' kubelet and its admission of
/// service accounts.
pod_logins registry_logins_of(const object& pod, const pod_inputs* inputs);

/// The logins in a secret of type kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg. `auth` counts
/// before username and password; entries that cannot be read are left out. Empty: it is no such secret.
std::optional<std::vector<registry_login>> logins_of(const secret& from);

} // namespace podium
