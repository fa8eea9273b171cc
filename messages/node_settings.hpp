// What the actors of a node may be tuned with; config/settings fills it from the daemon's settings.
#pragma once
#include "core/time.hpp"

#include <string>

namespace podium {

using namespace std::chrono_literals;

/// delay(n) = min(first * factor^n, max); forgotten after `reset` without use.
struct back_off_settings {
  nanoseconds first = 10s, max = 300s, reset = 600s;
  int32_t factor = 2;
};

struct node_settings {
  std::string node_name = "node";
  back_off_settings crash_loop;
  back_off_settings image_pull;
  nanoseconds resync = 60s;         ///< slow safety net of every list + watch and goal
  nanoseconds sandbox_retry = 10s;  ///< between tries to make a sandbox or container
  nanoseconds status_period = 10s;  ///< how often the node looks at its own status
  nanoseconds status_report = 5min; ///< how often it writes it without a change
  nanoseconds lease_period = 10s;
  nanoseconds request_timeout = 2min; ///< for a port's answer
  nanoseconds wait_timeout = 60s;     ///< a wait for an exit is asked anew after this
  nanoseconds minimum_grace = 2s;     ///< between the stop signal and SIGKILL
  int32_t lease_seconds = 40;
  int32_t max_pods = 110;
};

} // namespace podium
