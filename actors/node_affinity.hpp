// Which nodes a pod may be on by spec.affinity.nodeAffinity, its own or that of its volumes. Pure. Source:
// component-helpers' nodeaffinity.
#pragma once
#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace podium::placement {

/// One expression of a term. An operator that is unknown matches nothing.
struct node_requirement {
  enum class op : uint8_t { in, not_in, exists, does_not_exist, gt, lt, never };
  std::string key;
  op what = op::never;
  std::vector<std::string> values;

  /// `value` is the label's or field's; null when the node has none.
  bool met_by(const std::string* value) const;
};

/// All of its expressions must be met; one without any matches no node.
struct node_term {
  std::vector<node_requirement> labels, fields;

  bool matches(const std::string& name, const std::map<std::string, std::string>& node_labels) const;
};

/// requiredDuringSchedulingIgnoredDuringExecution: some term must match.
struct node_affinity {
  bool required = false;
  std::vector<node_term> terms;

  bool matches(const std::string& name, const std::map<std::string, std::string>& node_labels) const;
};

/// Of a pod's document that went through validation; what has another shape counts as not there.
node_affinity node_affinity_of(const boost::json::value& pod);

/// Of a persistent volume's spec.nodeAffinity, likewise.
node_affinity volume_affinity_of(const boost::json::value& affinity);

/// True while spec.schedulingGates holds the pod back.
bool is_gated(const boost::json::value& pod);

} // namespace podium::placement
