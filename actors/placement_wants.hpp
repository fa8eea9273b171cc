// What a pod asks of the node it is placed on: resources, ports, constraints. Pure, integers only.
#pragma once
#include "actors/node_affinity.hpp"
#include "messages/pod.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace podium::placement {

/// Amounts of the resources every node has, and of others by name (sorted). Sums stop at int64's end, as
/// quantities do.
struct amounts {
  int64_t milli_cpu = 0, memory_bytes = 0, ephemeral_bytes = 0;
  std::vector<std::pair<std::string, int64_t>> extended;
  bool operator==(const amounts&) const = default;

  void add(const amounts& other);
  /// The larger of each.
  void raise_to(const amounts& other);
  int64_t extended_amount(const std::string& name) const;
  bool zero() const;
};

/// The sums over a node's pods: wide enough for any number of the largest requests, so that taking one off
/// again leaves no trace of it.
struct amount_sums {
  __extension__ using wide = __int128;
  wide milli_cpu = 0, memory_bytes = 0, ephemeral_bytes = 0;
  std::vector<std::pair<std::string, wide>> extended;

  /// `sign` is 1 or -1.
  void add(const amounts& pod, int sign);
  wide extended_amount(const std::string& name) const;
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
  node_affinity affinity;
  std::vector<node_affinity> volumes; ///< of the volumes that its claims are bound to
  std::string node_name;              ///< the one node it may be on, "" is any
  int32_t priority = 0;
};

/// Requests of a pod: the larger of what runs together and what each step of initialisation needs, plus
/// overhead. Source: component-helpers resource.PodRequests. Quantities that cannot be read count as none.
amounts pod_requests(const pod_spec& spec);
/// All but the affinities, which the typed view has not.
pod_wants wants_of(const pod_spec& spec);
/// A map of quantities, such as a node's allocatable resources, as amounts; those that cannot be read are
/// left out.
amounts amounts_of(const quantity_map& map);

} // namespace podium::placement
