// Which nodes a pod fits on, and which is best: pure, integers only. Source of every rule: Kubernetes'
// default scheduler plugins.
#pragma once
#include "core/random.hpp"
#include "messages/node.hpp"
#include "messages/pod.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace podium::placement {

/// Amounts of the resources every node has, and of others by name (sorted).
struct amounts {
  int64_t milli_cpu = 0, memory_bytes = 0, ephemeral_bytes = 0;
  std::vector<std::pair<std::string, int64_t>> extended;
  bool operator==(const amounts&) const = default;

  void add(const amounts& other, int sign = 1);
  /// The larger of each.
  void raise_to(const amounts& other);
  int64_t extended_amount(const std::string& name) const;
  bool zero() const;
};

/// A port of the host that a pod takes.
struct host_port {
  int32_t port = 0;
  std::string protocol, ip; ///< "0.0.0.0" is every address
  auto operator<=>(const host_port&) const = default;
  bool clashes_with(const host_port& other) const {
    return port == other.port && protocol == other.protocol
           && (ip == other.ip || ip == "0.0.0.0" || other.ip == "0.0.0.0");
  }
};

/// What of a pod matters for its place.
struct pod_wants {
  amounts requests;
  /// For scores alone: a container without a request counts as 100m and 200Mi.
  int64_t score_milli_cpu = 0, score_memory_bytes = 0;
  std::vector<host_port> ports;
  std::vector<toleration> tolerations;
  std::map<std::string, std::string> node_selector;
  std::string node_name; ///< the one node it may be on, "" is any
  int32_t priority = 0;
};

/// Requests of a pod: the larger of what runs together and what each step of initialisation needs, plus
/// overhead. Source: component-helpers resource.PodRequests. Quantities that cannot be read count as none.
amounts pod_requests(const pod_spec& spec);
pod_wants wants_of(const pod_spec& spec);

/// A node with the sums over the pods on it.
struct node_state {
  std::string name;
  amounts allocatable, requested;
  int64_t score_milli_cpu = 0, score_memory_bytes = 0; ///< the scores' sums over its pods
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
  };
  kind what;
  std::string detail;
  /// True where taking pods off the node cannot help.
  bool final() const { return what < kind::ports; }
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
int64_t evenness(int64_t used_a, int64_t capacity_a, int64_t used_b, int64_t capacity_b);

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
