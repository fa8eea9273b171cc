// From a request's path to what it is about.
#pragma once
#include "api/resources.hpp"

#include <string>
#include <string_view>

namespace podium::api {

enum class route_kind : uint8_t {
  unknown,
  health,               ///< /healthz /livez /readyz
  version,              ///< /version
  api_versions,         ///< /api
  api_groups,           ///< /apis
  api_group,            ///< /apis/G
  resource_list,        ///< /api/v1, /apis/G/V
  openid_configuration, ///< /.well-known/openid-configuration
  openid_keys,          ///< /openid/v1/jwks
  openapi_v2,           ///< /openapi/v2
  openapi_index,        ///< /openapi/v3
  openapi_group,        ///< /openapi/v3/api/v1, /openapi/v3/apis/G/V
  collection,           ///< …/pods
  object,               ///< …/pods/NAME
  subresource,          ///< …/pods/NAME/log
};

struct route {
  route_kind kind = route_kind::unknown;
  std::string group, version;
  const resource* res = nullptr;
  std::string ns, name;
  const subresource* sub = nullptr;
  std::string rest; ///< the health check's name
};

/// Reads an undecoded path. Every segment is percent-decoded after splitting; a trailing slash is passed
/// over. What is not served comes back as route_kind::unknown.
route parse_route(std::string_view raw_path);

} // namespace podium::api
