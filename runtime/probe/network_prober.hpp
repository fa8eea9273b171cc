// httpGet, tcpSocket and grpc probes, from the node. Source of the rules: Kubernetes' kubelet (reference: pod
// semantics, handlers).
#pragma once
#include "messages/runtime.hpp"
#include "runtime/http/client.hpp"
#include "runtime/loop/event_loop.hpp"
#include <chrono>
#include <functional>
#include <memory>

namespace podium {

/// All calls and answers on the loop's thread; construct and destroy it off the loop, before loop and client.
class network_prober {
public:
  using answer = std::function<void(probe_outcome)>;

  network_prober(event_loop& loop, http_client& client);
  /// What is under way is not answered.
  ~network_prober();
  network_prober(const network_prober&) = delete;
  network_prober& operator=(const network_prober&) = delete;

  /// A request of its own connection; redirects to the same host are followed, ten at most; any other
  /// answer of 300 to 399 ends the probe with a warning. 200 to 299 is success; of the body 10 KiB are kept.
  /// A body that breaks off is an error.
  void http_get(const http_get_action& action, const std::string& pod_ip, std::chrono::nanoseconds timeout,
                answer done);
  /// Asks gRPC's health service without TLS. One that cannot be reached is tried again within the time-out,
  /// as gRPC's clients do.
  void grpc(const grpc_action& action, const std::string& pod_ip, std::chrono::nanoseconds timeout,
            answer done);
  /// Success is a connection, which is reset at once.
  void tcp_socket(const tcp_socket_action& action, const std::string& pod_ip,
                  std::chrono::nanoseconds timeout, answer done);

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

/// How probes call themselves.
constexpr auto probe_user_agent = "kube-probe/1.32";

/// The URL an httpGet probe asks; what may not stand in one is escaped. Pure.
std::string probe_url(const http_get_action& action, const std::string& pod_ip);
/// The header fields it sends: the node's own where the action does not say otherwise; an empty User-Agent or
/// Accept leaves it out. Pure.
header_list probe_headers(const http_get_action& action);
/// The host of an absolute URL, without port and brackets; "" when it has none. Pure.
std::string url_host(std::string_view url);

} // namespace podium
