// gRPC's health protocol (grpc.health.v1.Health/Check) as a probe asks it: one message each way, by hand.
// Pure.
#pragma once
#include "messages/runtime.hpp"
#include "runtime/http/client.hpp"
#include <chrono>
#include <string>
#include <string_view>

namespace podium {

/// The request to `address` ("ip:port") about `service`: plain HTTP/2, a connection of its own, at most
/// `timeout` for all of it, and few bytes of answer.
http_fetch grpc_health_request(const std::string& address, const std::string& service,
                               std::chrono::nanoseconds timeout);

/// What an answer means: SERVING is success, anything else a failure, in the words of the kubelet's prober.
/// `timeout` is the probe's, for the text.
probe_outcome judge_grpc_health(const http_reply& reply, std::chrono::nanoseconds timeout);

/// A failure before there was an answer: `err` is the HTTP client's, errc::unavailable when no gRPC server
/// was found at `address`.
probe_outcome judge_grpc_error(const caf::error& err, const std::string& address,
                               std::chrono::nanoseconds timeout);

/// How long after the start of attempt number `attempt` (from 0) the next connection is tried. Source: gRPC's
/// connection back-off (1 s, factor 1.6), without its jitter.
std::chrono::nanoseconds grpc_connect_back_off(unsigned attempt);

} // namespace podium
