// Which container of a pod a request for its streams means, with the texts for those that mean none.
#pragma once
#include "api/body.hpp"
#include "messages/pod.hpp"

namespace podium::api {

/// The container named, or the only one. Failure: `container x is not valid for pod p`, `a container name
/// must be specified for pod p, choose one of: [a b]`.
outcome<std::string> choose_container(const pod& p, std::string_view wanted);

/// Why a container's log cannot be read now, if so; a container that waits for its next start has the log of
/// the last.
std::optional<failure> check_log_state(const pod& p, const std::string& container, bool previous);

/// Why nothing can run in a container now, if so.
std::optional<failure> check_runs(const pod& p, const std::string& container);

} // namespace podium::api
