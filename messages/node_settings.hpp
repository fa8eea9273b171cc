// What the actors of a node may be tuned with; config/settings fills it from the daemon's settings.
#pragma once
#include "core/time.hpp"

#include <map>
#include <string>
#include <vector>

namespace podium {

/// delay(n) = min(first * factor^n, max); forgotten after `reset` without use. The factor is a real number of
/// at least 1, kept in thousandths: actors count in integers.
struct back_off_settings {
  nanoseconds first = std::chrono::seconds{10}, max = std::chrono::seconds{300},
              reset = std::chrono::seconds{600};
  int64_t factor_thousandths = 2000;
};

/// When images that nothing uses are removed, by how full the disk is that they lie on. Source: the kubelet's
/// image garbage collection.
struct image_gc_settings {
  int32_t high_threshold_percent = 85;           ///< collects from here on; 100 is never
  int32_t low_threshold_percent = 80;            ///< down to here
  nanoseconds min_age = std::chrono::minutes{2}; ///< younger images, and those just asked for, stay
  nanoseconds period = std::chrono::minutes{5};
};

struct node_settings {
  std::string node_name = "node";
  std::map<std::string, std::string> labels; ///< besides the well-known ones
  back_off_settings crash_loop;
  back_off_settings image_pull;
  image_gc_settings image_gc;
  nanoseconds resync = std::chrono::seconds{60};        ///< slow safety net of every list + watch and goal
  nanoseconds sandbox_retry = std::chrono::seconds{10}; ///< between tries to make a sandbox or container
  nanoseconds pull_progress = std::chrono::seconds{10}; ///< till a pull's first progress event, then doubled
  nanoseconds mount_retry = std::chrono::milliseconds{500}; ///< the first of those between tries of volumes,
  nanoseconds mount_retry_max = std::chrono::seconds{122};  ///< doubled up to this
  nanoseconds volume_check = std::chrono::seconds{10}; ///< how often the size of limited volumes is looked at
  nanoseconds status_period = std::chrono::seconds{10}; ///< how often the node looks at its own status
  nanoseconds status_report = std::chrono::minutes{5};  ///< how often it writes it without a change
  nanoseconds lease_period = std::chrono::seconds{10};
  nanoseconds request_timeout = std::chrono::minutes{2}; ///< for a port's answer
  nanoseconds wait_timeout = std::chrono::seconds{60};   ///< a wait for an exit is asked anew after this
  nanoseconds minimum_grace = std::chrono::seconds{2};   ///< between the stop signal and SIGKILL
  int32_t lease_seconds = 40;
  int32_t max_pods = 110;
  std::vector<std::string> cluster_dns; ///< name servers of dnsPolicy ClusterFirst; none: the node's own
  std::string cluster_domain = "cluster.local";
  std::vector<std::string> allowed_unsafe_sysctls; ///< names, or beginnings of names with a * behind
};

} // namespace podium
