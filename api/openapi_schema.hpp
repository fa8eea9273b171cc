// OpenAPI schemas of the types in the schema table, in the forms of versions 2 and 3.
#pragma once
#include "api/resources.hpp"
#include "config/schema.hpp"

#include <boost/json.hpp>
#include <set>
#include <string_view>

namespace podium::api {

enum class openapi_version : uint8_t { v2, v3 };

/// Writes the schemas of a resource's type, and of all that it refers to, into `out`, by their names. `seen`
/// holds the types that are there.
void add_kind(const resource& r, const config::schema_type& type, openapi_version version,
              boost::json::object& out, std::set<std::string_view>& seen);

} // namespace podium::api
