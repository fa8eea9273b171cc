// A pod's phase, conditions and status from what its containers are. Pure. Source: pod-semantics §2, §5.
#pragma once
#include "messages/lifecycle.hpp"

namespace podium {

/// What of the pod is known beside its containers.
struct pod_facts {
  const pod* object = nullptr;
  const pod_memory* memory = nullptr;
  bool terminal = false;            ///< everything of it has ended: what does not run will not
  bool may_publish_terminal = true; ///< no container can be running any more
  std::string host_ip, pod_ip;      ///< "" before there is a sandbox
  std::string last_ip;              ///< the address of the last sandbox: shown of a pod that is over
};

/// Pending, Running, Succeeded, Failed, by the containers' statuses. Terminal phases are sticky.
std::string pod_phase_of(const pod_facts& facts, const pod_status& status);

/// Whether the pod has ended for good: phase Succeeded or Failed.
bool terminal(const pod& p);

/// The status to publish. Conditions keep their transition times from `facts.memory->conditions` while they
/// stay the same.
pod_status pod_status_of(const pod_facts& facts, wall_time now);

/// The grace of a pod's end in seconds: deletion's, else the spec's; at least 1.
int64_t effective_grace_of(const pod& p);

/// The status as the API shows it: with what follows from the spec alone (the containers' mounts), and what
/// is always empty.
boost::json::object status_document_of(const pod_spec& spec, const pod_status& status);

} // namespace podium
