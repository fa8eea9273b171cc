#include "core/cgroup_formulas.hpp"

#include "core/saturating.hpp"

#include <algorithm>

namespace podium {

int64_t cpu_shares_of(int64_t millicores) {
  if (millicores <= 0) return 2;
  return std::clamp<int64_t>(saturating_share(millicores, 1024, 1000), 2, 262'144);
}

int64_t cpu_quota_of(int64_t millicores) {
  if (millicores <= 0) return 0;
  return std::max<int64_t>(saturating_share(millicores, cpu_period_us, 1000), 1000);
}

int64_t cpu_weight_of(int64_t shares) {
  return 1 + (std::clamp<int64_t>(shares, 2, 262'144) - 2) * 9999 / 262'142;
}

int32_t oom_score_of(qos_class qos, bool node_critical, int64_t memory_request_bytes,
                     int64_t node_memory_bytes) {
  if (node_critical || qos == qos_class::guaranteed) return -997;
  if (qos == qos_class::best_effort || node_memory_bytes <= 0) return 1000;
  auto score = saturating_subtract(1000, saturating_share(1000, memory_request_bytes, node_memory_bytes));
  // 1000 is best effort's and below 3 is the guaranteed pods' end of the scale.
  return static_cast<int32_t>(std::clamp<int64_t>(score, 3, 999));
}

} // namespace podium
