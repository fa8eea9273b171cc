// Kubernetes' numbers for cgroups, as pure functions (pod-semantics §6).
#pragma once
#include <cstdint>

namespace podium {

constexpr int64_t cpu_period_us = 100'000;

/// cpu.shares of a cpu request: 2 to 262144, 1024 a whole cpu.
int64_t cpu_shares_of(int64_t millicores);
/// cpu.cfs_quota_us for a period of cpu_period_us; 0 is no limit, otherwise at least 1000.
int64_t cpu_quota_of(int64_t millicores);
/// cgroup v2's cpu.weight (1 to 10000) of v1 shares, by the classic linear mapping.
int64_t cpu_weight_of(int64_t shares);

enum class qos_class : uint8_t { guaranteed, burstable, best_effort };
/// oom_score_adj of a container; `node_critical` counts as guaranteed.
int32_t oom_score_of(qos_class qos, bool node_critical, int64_t memory_request_bytes,
                     int64_t node_memory_bytes);

} // namespace podium
