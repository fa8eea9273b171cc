// The OpenAPI document of version 2 in protobuf (gnostic's openapi.v2.Document): kubectl before 1.27
// explains, validates and computes patches from it, newer ones compute patches from it.
#pragma once
#include <string>
#include <string_view>

namespace podium::api {

inline constexpr std::string_view openapi_v2_content_type =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// All served kinds, and for each the path of one object with its patch operation.
std::string openapi_v2_protobuf();

} // namespace podium::api
