// Whether a node takes a pod that was bound to it. Pure. Source: pod-semantics §5.1 (admission rejects).
#pragma once
#include "actors/placement.hpp"
#include "actors/pod_resources.hpp"

namespace podium {

/// Why a pod is rejected: it becomes Failed with these. Empty reason: it is taken.
struct admission_fault {
  std::string reason, message;
  explicit operator bool() const { return !reason.empty(); }
};

/// What a pod asks for that this node cannot do: running it without would be worse than saying so.
admission_fault unsupported_feature(const boost::json::value& document);

/// Whether the node's labels and free host ports are what a pod asks for: those that name their node
/// themselves were judged by no scheduler. Source: the kubelet's general predicates.
admission_fault predicate_failure(placement::pod_wants wanted, const placement::node_state& node);

/// Whether `wanted` fits beside what the node already runs.
admission_fault resource_shortage(const pod_spec& wanted, const resource_amounts& used, int64_t pods_used,
                                  const quantity_map& allocatable, int64_t max_pods);

} // namespace podium
