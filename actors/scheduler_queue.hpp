// The pods a scheduler knows and where each stands: waiting, backing off, unschedulable, or on a node; and
// the nodes with the sums of what is on them.
#pragma once
#include "actors/placement.hpp"
#include "messages/object.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace podium {

/// The nodes, as an array for placement, with an index by name.
class node_table {
public:
  const std::vector<placement::node_state>& all() const { return nodes_; }
  const placement::node_state* find(const std::string& name) const;
  /// True if the node is new or changed in a way that matters for placement.
  bool put(const node& from);
  void erase(const std::string& name);
  void clear();
  /// Counts a pod on a node, or takes it off; a node that is not known is passed over.
  void add(const std::string& name, const placement::pod_wants& pod);
  void remove(const std::string& name, const placement::pod_wants& pod);

private:
  std::vector<placement::node_state> nodes_;
  std::map<std::string, size_t> index_;
};

enum class pod_place : uint8_t {
  active,        ///< next when its turn comes
  backing_off,   ///< active at retry_at
  unschedulable, ///< until something changes that may let it fit, or five minutes pass
  assumed,       ///< being bound to `node`
  placed,        ///< on `node`, as the registry says
};

struct scheduled_pod {
  object_ref latest;
  placement::pod_wants wants;
  pod_place place = pod_place::active;
  std::string node;
  uint64_t arrival = 0;
  uint32_t attempts = 0;
  clock_time retry_at;      ///< not tried again before
  clock_time give_up_at;    ///< unschedulable: tried again by then whatever happens
  std::string failure;      ///< what was last said about why it does not fit
  bool claims_wait = false; ///< no node would help: its claims are not ready
};

/// Source of the numbers: kube-scheduler's queue. Attempt 1 waits 1 s, then 2, 4, 8, 10, 10, ...
nanoseconds scheduling_back_off(uint32_t attempts);

class pod_table {
public:
  using map = std::map<object_key, scheduled_pod>;

  scheduled_pod* find(const object_key& key);
  /// Adds a pod; its place is set with move().
  scheduled_pod& add(const object_key& key, scheduled_pod pod);
  void erase(const object_key& key);
  void clear();
  /// Changes where a pod stands; every list below follows.
  void move(const object_key& key, scheduled_pod& pod, pod_place to);

  const map& all() const { return pods_; }
  const std::set<object_key>& unschedulable() const { return unschedulable_; }
  const std::set<std::pair<clock_time, object_key>>& timed() const { return timed_; }
  size_t active() const { return active_.size(); }
  /// The first by priority, then by arrival; null when none is active.
  const object_key* next() const { return active_.empty() ? nullptr : &active_.begin()->key; }

private:
  struct turn {
    int64_t minus_priority;
    uint64_t arrival;
    object_key key;
    auto operator<=>(const turn&) const = default;
  };
  static turn turn_of(const object_key& key, const scheduled_pod& pod) {
    return {-static_cast<int64_t>(pod.wants.priority), pod.arrival, key};
  }
  void leave(const object_key& key, const scheduled_pod& pod);

  map pods_;
  std::set<turn> active_;
  std::set<object_key> unschedulable_;
  std::set<std::pair<clock_time, object_key>> timed_; ///< when waiting pods become active by themselves
};

} // namespace podium
