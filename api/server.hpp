// The Kubernetes API over HTTP: put together from the registry, the event loop and the pods' streams.
#pragma once
#include "api/access.hpp"
#include "api/gateway.hpp"
#include "api/pod_ports.hpp"
#include "api/pod_streams.hpp"
#include "api/usage.hpp"
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "messages/registry_view.hpp"
#include "runtime/http/server.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace podium {
class token_keys;
}

namespace podium::api {

/// Nothing: the request is anonymous, and refused with 401.
using authenticator = std::function<std::optional<user_info>(const http_request&)>;
/// Whose bearer token it is; nothing when it is nobody's.
using token_lookup = std::function<std::optional<user_info>(std::string_view token)>;

/// The bearer token of a request: of its Authorization header, or, since a browser's WebSocket cannot set
/// one, of a subprotocol base64url.bearer.authorization.k8s.io.TOKEN beside another one. Nothing when there
/// is none, or more than one. Source: ProtocolAuthenticator.
std::optional<std::string> bearer_token(const http_request& request);

/// A verified client certificate: CN is the user, each O a group. Without one `token`, if given, is asked
/// about the bearer token.
authenticator certificate_authenticator(token_lookup token = {});

struct server_settings {
  std::string git_version = "v1.32.0-podium";
  std::string server_address = "127.0.0.1:6443"; ///< as discovery names it
  authenticator authenticate = certificate_authenticator();
  token_lookup find_token; ///< for TokenReview; empty: no token is known
  /// Whose a service account's token is, for these audiences; empty: there are no such tokens.
  std::function<std::optional<user_info>(std::string_view token, const std::vector<std::string>& audiences)>
      find_account;
  std::shared_ptr<const token_keys> tokens; ///< signs tokens of service accounts; null: none are made
  bool service_accounts = false;            ///< whether new pods need an account that exists
  bool mount_tokens = false;                ///< whether pods are given their account's token as files
  std::shared_ptr<const access_policy> access = std::make_shared<access_policy>();
  nanoseconds write_timeout = std::chrono::seconds{30};
  nanoseconds bookmark_period = std::chrono::seconds{60};
  nanoseconds default_watch_time = std::chrono::minutes{45};
  nanoseconds page_time = std::chrono::minutes{5}; ///< that a list's next page is to be had; etcd's default
  size_t max_watches = 20'000;
  size_t max_sessions = 256; ///< exec, attach and port-forward at a time
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
  std::shared_ptr<usage_source> usage = nullptr; ///< null: there are no metrics
  std::shared_ptr<pod_ports> ports = nullptr;    ///< null: port-forward answers 503
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
