// TCP connections to a pod's own loopback address, from inside its network namespace: what listens on
// 127.0.0.1 alone is reached, too.
#pragma once
#include "runtime/loop/event_loop.hpp"
#include "runtime/process/unique_fd.hpp"

#include <caf/expected.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace podium {

/// Loop thread only; its end waits for a thread that is just entering a namespace. The loop must still run
/// then.
class pod_dialer {
public:
  explicit pod_dialer(event_loop& loop) : loop_(loop) {}

  using answer = std::function<void(caf::expected<unique_fd>)>;
  /// Connects to port `port` of localhost, IPv4 first, in the namespace that is pinned at `netns`; empty: the
  /// host's. `done` gets the connected socket (not blocking), or errc::unavailable with the reasons, from the
  /// loop. Dropping what is returned gives up: `done` is not called then.
  std::shared_ptr<void> connect(const std::string& netns, uint16_t port, answer done);

private:
  event_loop& loop_;
  /// Waits for the threads that enter namespaces. Its own: a connection must not wait behind image layers.
  std::optional<work_pool> pool_;
};

} // namespace podium
