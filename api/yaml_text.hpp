// JSON documents as YAML text, for who asks for application/yaml.
#pragma once
#include <boost/json.hpp>
#include <string>

namespace podium::api {

/// `value` in block style with its keys sorted, as Kubernetes prints YAML; ends with a line break. Texts that
/// YAML might read as something else are quoted.
std::string to_yaml(const boost::json::value& value);

} // namespace podium::api
