// Which system calls a container may make.
#pragma once
#include "messages/runtime.hpp"
#include "runtime/oci/oci_settings.hpp"

#include <boost/json.hpp>
#include <caf/expected.hpp>
#include <set>
#include <string>

namespace podium {

/// linux.seccomp of an OCI configuration, from a profile as Docker and containers/common write it: rules by
/// architecture, capability and kernel (`includes`, `excludes`) are chosen by what is given here. One in
/// OCI's own form passes as it is. Pure. Error: errc::container_create. `architecture` is Go's word (amd64),
/// `kernel` major and minor.
caf::expected<boost::json::object> oci_seccomp(const boost::json::value& profile,
                                               const std::set<std::string>& capabilities,
                                               std::string_view architecture, std::pair<int, int> kernel);

/// The container's profile, else its pod's; an empty object for Unconfined, for none, and for privileged
/// containers. RuntimeDefault and Localhost are read from the settings' places. `capabilities` are those that
/// the container may have. Errors: errc::container_create.
caf::expected<boost::json::object> seccomp_of(const create_container& request, const oci_settings& settings,
                                              const std::set<std::string>& capabilities);

} // namespace podium
