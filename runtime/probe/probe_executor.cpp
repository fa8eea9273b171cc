#include "runtime/probe/probe_executor.hpp"
#include "core/base_actor.hpp"
#include "runtime/loop/loop_reply.hpp"

namespace podium {

namespace {

// The runtime kills at the probe's time-out; its answer may take this much longer.
constexpr auto exec_slack = std::chrono::seconds{30};

class probe_executor : public base_actor<probe_executor_actor> {
public:
  probe_executor(caf::actor_config& cfg, env_ptr env, event_loop& loop, network_prober& prober,
                 container_runtime_actor runtime)
      : base_actor(cfg, std::move(env), "port/probes"), loop_(loop), prober_(prober),
        runtime_(std::move(runtime)) {}

protected:
  behavior_type handlers() override {
    return {[this](const run_probe& m) { return run(m); }};
  }
  void ended() override { runtime_ = nullptr; }

private:
  caf::result<probe_outcome> run(const run_probe& m) {
    std::chrono::nanoseconds timeout = std::chrono::seconds{std::max(1, m.probe.timeout_seconds)};
    if (m.probe.exec) return run_exec(m, timeout);
    if (auto why = wrong_port(m.probe); !why.empty())
      return probe_outcome{.verdict = probe_verdict::error, .output = std::move(why)};
    if (m.probe.http_get)
      return answer_from_loop<probe_outcome>(
          this, loop_, [&prober = prober_, action = *m.probe.http_get, ip = m.pod_ip, timeout](auto reply) {
            prober.http_get(action, ip, timeout, [reply](probe_outcome x) { reply(std::move(x)); });
          });
    if (m.probe.tcp_socket)
      return answer_from_loop<probe_outcome>(
          this, loop_, [&prober = prober_, action = *m.probe.tcp_socket, ip = m.pod_ip, timeout](auto reply) {
            prober.tcp_socket(action, ip, timeout, [reply](probe_outcome x) { reply(std::move(x)); });
          });
    if (m.probe.grpc)
      return answer_from_loop<probe_outcome>(
          this, loop_, [&prober = prober_, action = *m.probe.grpc, ip = m.pod_ip, timeout](auto reply) {
            prober.grpc(action, ip, timeout, [reply](probe_outcome x) { reply(std::move(x)); });
          });
    return probe_outcome{.verdict = probe_verdict::error,
                         .output = "missing probe handler for " + m.key.name};
  }

  caf::result<probe_outcome> run_exec(const run_probe& m, std::chrono::nanoseconds timeout) {
    auto promise = make_response_promise<probe_outcome>();
    exec_sync request;
    request.key = m.key;
    request.command = m.probe.exec->command;
    request.timeout = timeout;
    ask(
        runtime_, timeout + exec_slack,
        [promise, command = request.command, timeout](const exec_result& result) mutable {
          promise.deliver(judge_exec(result, command, timeout));
        },
        [promise](const caf::error& err) mutable {
          promise.deliver(probe_outcome{.verdict = probe_verdict::error, .output = message_of(err)});
        },
        request);
    return promise;
  }

  event_loop& loop_;
  network_prober& prober_;
  container_runtime_actor runtime_;
};

} // namespace

std::string wrong_port(const probe_spec& probe) {
  auto* port = probe.http_get ? &probe.http_get->port : probe.tcp_socket ? &probe.tcp_socket->port : nullptr;
  if (!port) return {};
  if (port->is_text()) return "port " + port->text + " not found";
  if (port->number < 1 || port->number > 65'535)
    return "invalid port number: " + std::to_string(port->number);
  return {};
}

probe_outcome judge_exec(const exec_result& result, const std::vector<std::string>& command,
                         std::chrono::nanoseconds timeout) {
  if (result.timed_out) {
    std::string text;
    for (auto& part : command)
      text += (text.empty() ? "" : " ") + part;
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout).count();
    return {.verdict = probe_verdict::failure,
            .output = "command \"" + text + "\" timed out after " + std::to_string(seconds) + "s"};
  }
  return {.verdict = result.exit_code == 0 ? probe_verdict::success : probe_verdict::failure,
          .output = result.output};
}

probe_executor_actor spawn_probe_executor(caf::actor_system& system, env_ptr env, event_loop& loop,
                                          network_prober& prober, container_runtime_actor runtime) {
  return system.spawn<probe_executor>(std::move(env), std::ref(loop), std::ref(prober), std::move(runtime));
}

} // namespace podium
