// Kubernetes' protobuf bodies, read by the schema table: kubectl's typed commands send nothing else.
#pragma once
#include "config/schema.hpp"

#include <boost/json.hpp>
#include <caf/expected.hpp>
#include <string_view>

namespace podium::api {

/// What an envelope holds: the kind it names and the object as JSON, kind and apiVersion included.
struct protobuf_object {
  config::group_version_kind gvk;
  boost::json::value object;
};

/// Reads "k8s\0" + Unknown. Unknown fields are skipped; empty texts, and messages that Go writes although
/// they are empty, are left out. Errors: errc::bad_request for broken bytes, errc::unsupported_media_type for
/// kinds that are not in the schema.
caf::expected<protobuf_object> read_protobuf(std::string_view body);

} // namespace podium::api
