// The Kubernetes API over HTTP: put together from the registry, the event loop and the pods' streams.
#pragma once
#include "api/gateway.hpp"
#include "api/pod_streams.hpp"
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "messages/registry_view.hpp"
#include "runtime/http/server.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace podium::api {

/// Who asks.
struct user_info {
  std::string name, uid;
  std::vector<std::string> groups;
};

/// What is asked, as an authorizer sees it.
struct request_attributes {
  std::string verb; ///< get, list, watch, create, update, patch, delete, deletecollection
  std::string group, version, resource, subresource, ns, name;
  std::string path; ///< of requests that are about no resource
};

/// Nothing: the request is anonymous, and refused with 401.
using authenticator = std::function<std::optional<user_info>(const http_request&)>;
/// Nothing: allowed. Else why not; the answer is 403.
using authorizer = std::function<std::optional<std::string>(const user_info&, const request_attributes&)>;

/// A verified client certificate: CN is the user, each O a group. `token`, if given, is asked about bearer
/// tokens.
authenticator
certificate_authenticator(std::function<std::optional<user_info>(std::string_view token)> token = {});

struct server_settings {
  std::string git_version = "v1.32.0-podium";
  std::string server_address = "127.0.0.1:6443"; ///< as discovery names it
  authenticator authenticate = certificate_authenticator();
  authorizer authorize; ///< none: everybody who is known may do everything
  nanoseconds write_timeout = std::chrono::seconds{30};
  nanoseconds bookmark_period = std::chrono::seconds{60};
  nanoseconds default_watch_time = std::chrono::minutes{45};
  size_t max_watches = 20'000;
  size_t max_sessions = 256; ///< exec and attach at a time
  size_t max_log_streams = 1'000;
  uint64_t body_bytes = 3 * 1024 * 1024;
  uint64_t small_body_bytes = 64 * 1024; ///< of requests that carry options only
};

/// What the server is put together from. All must outlive it.
struct server_parts {
  event_loop& loop;
  caf::actor_system& system;
  env_ptr env;
  registry_view& view;
  registry_actor registry;
  std::shared_ptr<pod_streams> streams; ///< null: logs, exec and attach answer 503
  std::function<wall_time()> wall_now;
};

struct server_stats {
  size_t watches = 0, sessions = 0, log_streams = 0;
  uint64_t requests = 0;
};

class server_state;

/// Make it before the registry starts: it listens to the view. Its handler and gate go to an http_server.
class server {
public:
  server(server_parts parts, server_settings settings);
  /// Ends watches and sessions. From any thread but the loop's; the loop must still run or have ended.
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  http_handler handler() const;
  http_gate gate() const;
  /// Words what the HTTP server refuses by itself as a Status.
  static http_refusal refusal();
  /// The actor that carries requests to the registry, for who watches over it.
  const gateway_actor& gateway() const;
  /// Readiness as /readyz says it; true from the start of serving.
  void set_ready(bool ready);
  /// Loop thread only.
  server_stats stats() const;

private:
  event_loop& loop_;
  std::shared_ptr<server_state> state_;
};

} // namespace podium::api
