// The probe executor as the typed actor that probes talk to: HTTP, TCP and gRPC from the node, commands in
// the container.
#pragma once
#include "core/actor_env.hpp"
#include "messages/interfaces.hpp"
#include "runtime/probe/network_prober.hpp"

namespace podium {

/// `loop` and `prober` must outlive the actor.
probe_executor_actor spawn_probe_executor(caf::actor_system& system, env_ptr env, event_loop& loop,
                                          network_prober& prober, container_runtime_actor runtime);

/// What is wrong with the port of an httpGet or tcpSocket probe whose names have been resolved, "" when
/// nothing is. Pure.
std::string wrong_port(const probe_spec& probe);

/// What an exec probe's end means: exit code 0 is success, any other and a time-out are failures. Pure.
probe_outcome judge_exec(const exec_result& result, const std::vector<std::string>& command,
                         std::chrono::nanoseconds timeout);

} // namespace podium
