#include "runtime/sim/sim_probes.hpp"

namespace podium {

namespace {

probe_outcome failed(std::string text) {
  return {probe_verdict::failure, std::move(text)};
}

std::string address_of(const run_probe& request, const std::string& host, int32_t port) {
  return (host.empty() ? request.pod_ip : host) + ":" + std::to_string(port);
}

} // namespace

sim_probes::sim_probes(caf::actor_config& cfg, env_ptr env, std::string path,
                       std::shared_ptr<sim_world> world)
    : base_actor(cfg, std::move(env), std::move(path)), world_(std::move(world)) {}

sim_probes::behavior_type sim_probes::handlers() {
  return {[this](const run_probe& request) -> caf::result<probe_outcome> {
    auto judged = judge(request);
    if (judged.after <= nanoseconds{0}) return judged.outcome;
    auto promise = make_response_promise<probe_outcome>();
    after(judged.after,
          [promise, outcome = std::move(judged.outcome)]() mutable { promise.deliver(outcome); });
    return promise;
  }};
}

sim_probes::timed_outcome sim_probes::judge(const run_probe& request) {
  nanoseconds timeout = std::chrono::seconds{std::max(request.probe.timeout_seconds, 1)};
  if (request.probe.exec) return judge_exec(request, timeout);
  // The text of the real executor for a named port that the container does not have.
  for (auto* port : {request.probe.http_get ? &request.probe.http_get->port : nullptr,
                     request.probe.tcp_socket ? &request.probe.tcp_socket->port : nullptr})
    if (port && port->is_text()) return {{probe_verdict::error, "port " + port->text + " not found"}};
  if (request.probe.http_get) return judge_http(request, timeout);
  if (request.probe.tcp_socket) return judge_tcp(request, timeout);
  if (request.probe.grpc) return judge_grpc(request, timeout);
  return {{probe_verdict::error, "the probe has no handler"}};
}

sim_probes::timed_outcome sim_probes::judge_exec(const run_probe& request, nanoseconds timeout) {
  auto due = world_->exec({request.key, request.probe.exec->command, timeout}, now());
  auto delay = due.at - now();
  if (!due.value) return {{probe_verdict::error, message_of(due.value.error())}, delay};
  auto& result = *due.value;
  if (result.timed_out) return {failed("command timed out after " + to_go_duration(timeout)), delay};
  if (result.exit_code != 0) return {failed(result.output), delay};
  return {{probe_verdict::success, result.output}, delay};
}

sim_probes::timed_outcome sim_probes::judge_http(const run_probe& request, nanoseconds timeout) {
  auto& action = *request.probe.http_get;
  auto path = action.path.empty() ? std::string{"/"} : action.path;
  auto scheme = action.scheme == "HTTPS" ? "https://" : "http://";
  auto address = address_of(request, action.host, action.port.number);
  auto what = std::string{"Get \""} + scheme + address + path + "\": ";
  auto* port = reachable(request) ? world_->port(request.key, action.port.number, &path, now()) : nullptr;
  if (!port) return {failed(what + "dial tcp " + address + ": connect: connection refused")};
  if (port->latency >= timeout)
    return {failed(what + "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
            timeout};
  if (!port->transport_error.empty()) return {{probe_verdict::error, port->transport_error}, port->latency};
  bool good = port->status >= 200 && port->status < 400;
  auto said = good ? port->body : "HTTP probe failed with statuscode: " + std::to_string(port->status);
  return {{good ? probe_verdict::success : probe_verdict::failure, said, true}, port->latency};
}

sim_probes::timed_outcome sim_probes::judge_grpc(const run_probe& request, nanoseconds timeout) {
  auto& action = *request.probe.grpc;
  auto* port = reachable(request) ? world_->port(request.key, action.port, &action.service, now()) : nullptr;
  // A port that is closed is tried again until the time-out, as gRPC's clients do.
  if (!port || port->health.empty())
    return {failed("timeout: failed to connect service \"" + address_of(request, {}, action.port)
                   + "\" within " + to_go_duration(timeout) + ": context deadline exceeded"),
            timeout};
  if (port->latency >= timeout)
    return {failed("timeout: health rpc did not complete within " + to_go_duration(timeout)), timeout};
  if (port->health != "SERVING")
    return {failed("service unhealthy (responded with \"" + port->health + "\")"), port->latency};
  return {{probe_verdict::success, "service healthy"}, port->latency};
}

sim_probes::timed_outcome sim_probes::judge_tcp(const run_probe& request, nanoseconds timeout) {
  auto& action = *request.probe.tcp_socket;
  auto address = address_of(request, action.host, action.port.number);
  auto* port = reachable(request) ? world_->port(request.key, action.port.number, nullptr, now()) : nullptr;
  if (!port) return {failed("dial tcp " + address + ": connect: connection refused")};
  if (port->latency >= timeout) return {failed("dial tcp " + address + ": i/o timeout"), timeout};
  if (!port->transport_error.empty()) return {{probe_verdict::error, port->transport_error}, port->latency};
  return {{probe_verdict::success, ""}, port->latency};
}

/// Whether the address asked for is the pod's: a probe that outlived its sandbox reaches nothing.
bool sim_probes::reachable(const run_probe& request) const {
  auto ip = world_->pod_ip(request.key.pod_uid);
  return request.pod_ip.empty() || ip.empty() || ip == request.pod_ip;
}

} // namespace podium
