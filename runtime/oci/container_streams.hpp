// Exec, attach and logs for the API, by pod uid and container name.
#pragma once
#include "core/time.hpp"
#include "runtime/oci/container_stream.hpp"
#include "runtime/oci/oci_runtime.hpp"
#include <memory>
#include <optional>

namespace podium {

struct exec_stream_request {
  std::vector<std::string> command;
  bool tty = false, stdin_ = false;
};

struct attach_request {
  bool stdin_ = false;
};

/// PodLogOptions of the API.
struct log_request {
  std::string container_id; ///< podium://...: of which instance; "" is the newest
  bool follow = false, timestamps = false;
  std::optional<int64_t> tail_lines, limit_bytes;
  std::optional<wall_time> since;
};

/// Loop thread only. The streams may not outlive the runtime.
class container_streams {
public:
  using stream = caf::expected<std::shared_ptr<container_stream>>;
  explicit container_streams(oci_runtime& runtime) : runtime_(runtime) {}

  /// Runs a command in a running container. Errors at once: errc::not_found (no such container),
  /// errc::bad_request (it does not run). A command that cannot be run ends with errc::container_start and
  /// the reason.
  stream exec(const std::string& pod_uid, const std::string& container, const exec_stream_request& request,
              stream_events events);
  /// Joins the main process's streams. Errors as exec.
  stream attach(const std::string& pod_uid, const std::string& container, const attach_request& request,
                stream_events events);
  /// Reads the log. Errors: errc::not_found (no such container or instance).
  stream logs(const std::string& pod_uid, const std::string& container, const log_request& request,
              stream_events events);
  /// Whether the container's main process has a terminal: attach then has one stream. False for an unknown
  /// one.
  bool has_terminal(const std::string& pod_uid, const std::string& container) const;

private:
  oci_runtime& runtime_;
};

} // namespace podium
