#include "runtime/oci/container_streams.hpp"

#include "core/error.hpp"
#include "runtime/oci/attach_stream.hpp"
#include "runtime/oci/exec_stream.hpp"
#include "runtime/oci/log_stream.hpp"

namespace podium {
namespace {

caf::expected<running_container> running(oci_runtime& runtime, const std::string& pod_uid,
                                         const std::string& name) {
  auto found = runtime.find(pod_uid, name);
  if (found && found->phase != container_phase::running)
    return make_error(errc::bad_request, "container " + name + " is not running");
  return found;
}

} // namespace

container_streams::stream container_streams::exec(const std::string& pod_uid, const std::string& container,
                                                  const exec_stream_request& request, stream_events events) {
  auto found = running(runtime_, pod_uid, container);
  if (!found) return found.error();
  if (request.command.empty())
    return make_error(errc::bad_request, "you must specify at least one command for the container");
  return start_exec_stream(runtime_, *found, request, std::move(events));
}

container_streams::stream container_streams::attach(const std::string& pod_uid, const std::string& container,
                                                    const attach_request& request, stream_events events) {
  auto found = running(runtime_, pod_uid, container);
  if (!found) return found.error();
  return start_attach_stream(runtime_, *found, request, std::move(events));
}

container_streams::stream container_streams::logs(const std::string& pod_uid, const std::string& container,
                                                  const log_request& request, stream_events events) {
  auto found = runtime_.find(pod_uid, container, request.container_id);
  if (!found) return found.error();
  return start_log_stream(runtime_, *found, request, std::move(events));
}

bool container_streams::has_terminal(const std::string& pod_uid, const std::string& container) const {
  auto found = runtime_.find(pod_uid, container);
  return found && found->tty;
}

} // namespace podium
