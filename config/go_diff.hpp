// What changed between two objects, in the form in which Kubernetes prints the difference of two structs.
#pragma once
#include "config/schema.hpp"

#include <boost/json.hpp>
#include <string>

namespace podium::config {

/// One line a field: "- \tName: old," and "+ \tName: new,"; what is equal is counted. `type` names the
/// fields; at most 100 lines.
std::string go_diff(const schema_type& type, const boost::json::value& before,
                    const boost::json::value& after);

} // namespace podium::config
