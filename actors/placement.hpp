// Which nodes a pod fits on, and which is best: pure, integers only. Source of every rule: Kubernetes'
// default scheduler plugins.
#pragma once
#include "actors/placement_wants.hpp"
#include "core/random.hpp"
#include "messages/node.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace podium::placement {

/// A node with the sums over the pods on it.
struct node_state {
  std::string name;
  amounts allocatable;
  amount_sums requested;
  amount_sums::wide score_milli_cpu = 0, score_memory_bytes = 0; ///< the scores' sums over its pods
  int64_t pods = 0, allowed_pods = 0;
  bool unschedulable = false;
  std::vector<taint> taints; ///< a node that is not ready has the taint that says so
  std::map<std::string, std::string> labels;
  std::vector<host_port> ports;

  void add(const pod_wants& pod);
  void remove(const pod_wants& pod);
  /// Takes over everything but the sums. False if nothing in it changed.
  bool describe(const node& from);
};

/// Why one node does not fit. `detail` is the taint or the resource where the reason has one.
struct refusal {
  enum class kind : uint8_t {
    unschedulable,
    node_name,
    taint,
    selector,
    ports,
    too_many_pods,
    insufficient,
    volumes,
  };
  kind what;
  std::string detail;
  /// True where taking pods off the node cannot help.
  bool final() const { return what < kind::ports || what == kind::volumes; }
  std::string text() const;
  bool operator==(const refusal&) const = default;
};

/// All reasons of the first filter that refuses; empty when the pod fits. Filters stand in Kubernetes' order.
std::vector<refusal> refusals(const pod_wants& pod, const node_state& node);
/// The same as a yes or no, without texts.
bool fits(const pod_wants& pod, const node_state& node);

/// LeastAllocated over cpu and memory, 0 to 100 (pod included).
int64_t least_allocated(const pod_wants& pod, const node_state& node);
/// NodeResourcesBalancedAllocation as of 1.36: 50 is "neither better nor worse balanced than before".
int64_t balanced_allocation(const pod_wants& pod, const node_state& node);
/// How even two used fractions are, 0 to 100; each is capped at 1.
int64_t evenness(amount_sums::wide used_a, int64_t capacity_a, amount_sums::wide used_b, int64_t capacity_b);

/// How many feasible nodes are looked for among `nodes`. Source: numFeasibleNodesToFind.
size_t nodes_to_find(size_t nodes);

/// Where a pod goes.
struct choice {
  size_t node = SIZE_MAX; ///< index, SIZE_MAX: none fits
  size_t examined = 0;    ///< nodes looked at, from `start` on
};
/// Filters from `start` on, round robin; scores what fits; draws among the best.
choice choose(const pod_wants& pod, const std::vector<node_state>& nodes, size_t start,
              random_stream& random);

/// `0/2 nodes are available: 1 Insufficient cpu, 1 node(s) ...` and the sentence on preemption.
std::string failure_message(const pod_wants& pod, const std::vector<node_state>& nodes);

/// True if some toleration of the pod covers the taint.
bool tolerates(const std::vector<toleration>& tolerations, const taint& t);

} // namespace podium::placement
