#include "actors/scheduler_queue.hpp"

#include <algorithm>

namespace podium {

using namespace std::chrono_literals;

const placement::node_state* node_table::find(const std::string& name) const {
  auto i = index_.find(name);
  return i == index_.end() ? nullptr : &nodes_[i->second];
}

bool node_table::put(const node& from) {
  auto [i, fresh] = index_.try_emplace(from.metadata.name, nodes_.size());
  if (fresh) nodes_.emplace_back();
  return nodes_[i->second].describe(from) || fresh;
}

void node_table::erase(const std::string& name) {
  auto i = index_.find(name);
  if (i == index_.end()) return;
  auto at = i->second;
  index_.erase(i);
  if (at + 1 != nodes_.size()) {
    nodes_[at] = std::move(nodes_.back());
    index_[nodes_[at].name] = at;
  }
  nodes_.pop_back();
}

void node_table::clear() {
  nodes_.clear();
  index_.clear();
}

void node_table::add(const std::string& name, const placement::pod_wants& pod) {
  if (auto i = index_.find(name); i != index_.end()) nodes_[i->second].add(pod);
}

void node_table::remove(const std::string& name, const placement::pod_wants& pod) {
  if (auto i = index_.find(name); i != index_.end()) nodes_[i->second].remove(pod);
}

nanoseconds scheduling_back_off(uint32_t attempts) {
  if (attempts == 0) return 0s;
  return std::min<nanoseconds>(1s * (1LL << std::min(attempts - 1, 10U)), 10s);
}

scheduled_pod* pod_table::find(const object_key& key) {
  auto i = pods_.find(key);
  return i == pods_.end() ? nullptr : &i->second;
}

scheduled_pod& pod_table::add(const object_key& key, scheduled_pod pod) {
  pod.place = pod_place::placed; // in no list yet
  return pods_.insert_or_assign(key, std::move(pod)).first->second;
}

void pod_table::leave(const object_key& key, const scheduled_pod& pod) {
  if (pod.place == pod_place::active) active_.erase(turn_of(key, pod));
  if (pod.place == pod_place::backing_off) timed_.erase({pod.retry_at, key});
  if (pod.place == pod_place::unschedulable) {
    unschedulable_.erase(key);
    timed_.erase({pod.give_up_at, key});
  }
}

void pod_table::move(const object_key& key, scheduled_pod& pod, pod_place to) {
  leave(key, pod);
  pod.place = to;
  if (to == pod_place::active) active_.insert(turn_of(key, pod));
  if (to == pod_place::backing_off) timed_.insert({pod.retry_at, key});
  if (to == pod_place::unschedulable) {
    unschedulable_.insert(key);
    timed_.insert({pod.give_up_at, key});
  }
}

void pod_table::erase(const object_key& key) {
  if (auto i = pods_.find(key); i != pods_.end()) {
    leave(key, i->second);
    pods_.erase(i);
  }
}

void pod_table::clear() {
  pods_.clear();
  active_.clear();
  unschedulable_.clear();
  timed_.clear();
}

} // namespace podium
