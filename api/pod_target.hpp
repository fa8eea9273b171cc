// Which container of a pod a request for its streams means, with the texts for those that mean none.
#pragma once
#include "api/body.hpp"
#include "messages/pod.hpp"

namespace podium::api {

/// The container named, or the only one. Failure: `container x is not valid for pod p`, `a container name
/// must be specified for pod p, choose one of: [a b]`.
outcome<std::string> choose_container(const pod& p, std::string_view wanted);

/// The id of the instance whose log is meant, as the status shows it: the one that runs or has ended; of a
/// container that waits for its next start the last; `previous`: the one of lastState. Failure: why there is
/// no log. Source: the kubelet's validateContainerLogStatus.
outcome<std::string> choose_logged_instance(const pod& p, const std::string& container, bool previous);

/// Why nothing can run in a pod now, if so. `verb` is what was wanted: "attach", "exec into".
std::optional<failure> check_runs(const pod& p, std::string_view verb);
/// False: it has no process now. That is the node's to say, not the API server's (see refuse_stream()).
bool is_running(const pod& p, const std::string& container);

} // namespace podium::api
