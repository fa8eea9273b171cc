// What this API serves, in the two forms clients ask for it.
#pragma once
#include "api/resources.hpp"

#include <string>
#include <string_view>

namespace podium::api {

/// The aggregated document of /api (core = true) or /apis. `version` is "v2" or "v2beta1".
std::string aggregated_discovery(bool core, std::string_view version);
/// The content type that must stand over it.
std::string aggregated_content_type(std::string_view version);

/// APIVersions: /api. `server_address` is host:port as the client should know it.
std::string api_versions_document(std::string_view server_address);
/// APIGroupList: /apis.
std::string api_group_list_document();
/// APIGroup: /apis/G.
std::string api_group_document(std::string_view group);
/// APIResourceList: /api/v1 and /apis/G/V.
std::string api_resource_list_document(std::string_view group, std::string_view version);

/// The answer of /version; `git_version` keeps Kubernetes' minor version in front: "v1.32.0+podium-0.1.0".
std::string version_document(std::string_view git_version);

} // namespace podium::api
