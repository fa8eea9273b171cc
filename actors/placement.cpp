#include "actors/placement.hpp"

#include "actors/pod_resources.hpp"

#include <algorithm>
#include <map>

namespace podium::placement {
namespace {

constexpr int64_t max_score = 100;
constexpr auto not_ready_taint = "node.kubernetes.io/not-ready",
               unreachable_taint = "node.kubernetes.io/unreachable",
               unschedulable_taint = "node.kubernetes.io/unschedulable";

bool keeps_pods_away(const taint& t) {
  return t.effect == "NoSchedule" || t.effect == "NoExecute";
}

const taint* untolerated(const pod_wants& pod, const node_state& node) {
  for (auto& t : node.taints)
    if (keeps_pods_away(t) && !tolerates(pod.tolerations, t)) return &t;
  return nullptr;
}

bool selected(const pod_wants& pod, const node_state& node) {
  for (auto& [key, value] : pod.node_selector)
    if (auto i = node.labels.find(key); i == node.labels.end() || i->second != value) return false;
  return pod.affinity.matches(node.name, node.labels);
}

bool reaches_volumes(const pod_wants& pod, const node_state& node) {
  return std::all_of(pod.volumes.begin(), pod.volumes.end(),
                     [&](auto& volume) { return volume.matches(node.name, node.labels); });
}

bool ports_free(const pod_wants& pod, const node_state& node) {
  for (auto& p : pod.ports)
    for (auto& taken : node.ports)
      if (p.clashes_with(taken)) return false;
  return true;
}

bool may_be_unschedulable(const pod_wants& pod) {
  return tolerates(pod.tolerations, {unschedulable_taint, "", "NoSchedule", {}});
}

using wide = amount_sums::wide;

bool short_of(int64_t want, int64_t allocatable, wide requested) {
  return want > 0 && want > allocatable - requested;
}

/// The taints a node has, with the one that its Ready condition stands for.
std::vector<taint> taints_of(const node& from) {
  auto out = from.spec.taints;
  const condition* ready = nullptr;
  for (auto& c : from.status.conditions)
    if (c.type == "Ready") ready = &c;
  if (ready && ready->status == "True") return out;
  auto* key = ready && ready->status == "Unknown" ? unreachable_taint : not_ready_taint;
  auto there =
      std::any_of(out.begin(), out.end(), [&](auto& t) { return t.key == key && keeps_pods_away(t); });
  if (!there) out.push_back({key, "", "NoSchedule", {}});
  return out;
}

bool same_taints(const std::vector<taint>& a, const std::vector<taint>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](auto& x, auto& y) {
    return x.key == y.key && x.value == y.value && x.effect == y.effect;
  });
}

int64_t prefer_no_schedule(const pod_wants& pod, const node_state& node) {
  return std::count_if(node.taints.begin(), node.taints.end(), [&](auto& t) {
    return t.effect == "PreferNoSchedule" && !tolerates(pod.tolerations, t);
  });
}

} // namespace

void node_state::add(const pod_wants& pod) {
  requested.add(pod.requests, 1);
  score_milli_cpu += pod.score_milli_cpu;
  score_memory_bytes += pod.score_memory_bytes;
  ++pods;
  ports.insert(ports.end(), pod.ports.begin(), pod.ports.end());
}

void node_state::remove(const pod_wants& pod) {
  requested.add(pod.requests, -1);
  score_milli_cpu -= pod.score_milli_cpu;
  score_memory_bytes -= pod.score_memory_bytes;
  --pods;
  for (auto& p : pod.ports)
    if (auto i = std::find(ports.begin(), ports.end(), p); i != ports.end()) ports.erase(i);
}

bool node_state::describe(const node& from) {
  auto fresh = amounts_of(from.status.allocatable);
  auto allowed = amount_of(from.status.allocatable, "pods");
  auto now_tainted = taints_of(from);
  if (name == from.metadata.name && allocatable == fresh && allowed_pods == allowed
      && unschedulable == from.spec.unschedulable && labels == from.metadata.labels
      && same_taints(taints, now_tainted))
    return false;
  name = from.metadata.name;
  allocatable = std::move(fresh);
  allowed_pods = allowed;
  unschedulable = from.spec.unschedulable;
  labels = from.metadata.labels;
  taints = std::move(now_tainted);
  return true;
}

bool tolerates(const std::vector<toleration>& tolerations, const taint& t) {
  return std::any_of(tolerations.begin(), tolerations.end(), [&](const toleration& x) {
    if (!x.effect.empty() && x.effect != t.effect) return false;
    if (!x.key.empty() && x.key != t.key) return false;
    if (x.operator_ == "Exists") return true;
    return !x.key.empty() && x.value == t.value;
  });
}

std::string refusal::text() const {
  switch (what) {
  case kind::unschedulable:
    return "node(s) were unschedulable";
  case kind::node_name:
    return "node(s) didn't match the requested node name";
  case kind::taint:
    return "node(s) had untolerated taint {" + detail + "}";
  case kind::selector:
    return "node(s) didn't match Pod's node affinity/selector";
  case kind::ports:
    return "node(s) didn't have free ports for the requested pod ports";
  case kind::too_many_pods:
    return "Too many pods";
  case kind::insufficient:
    return "Insufficient " + detail;
  case kind::volumes:
    return "node(s) had volume node affinity conflict"; // newer releases have other words
  }
  return "";
}

bool fits(const pod_wants& pod, const node_state& node) {
  auto& want = pod.requests;
  if (node.pods + 1 > node.allowed_pods
      || short_of(want.milli_cpu, node.allocatable.milli_cpu, node.requested.milli_cpu)
      || short_of(want.memory_bytes, node.allocatable.memory_bytes, node.requested.memory_bytes)
      || short_of(want.ephemeral_bytes, node.allocatable.ephemeral_bytes, node.requested.ephemeral_bytes))
    return false;
  for (auto& [name, n] : want.extended)
    if (short_of(n, node.allocatable.extended_amount(name), node.requested.extended_amount(name)))
      return false;
  if (node.unschedulable && !may_be_unschedulable(pod)) return false;
  if (!pod.node_name.empty() && pod.node_name != node.name) return false;
  return !untolerated(pod, node) && selected(pod, node) && ports_free(pod, node)
         && reaches_volumes(pod, node);
}

std::vector<refusal> refusals(const pod_wants& pod, const node_state& node) {
  using kind = refusal::kind;
  if (node.unschedulable && !may_be_unschedulable(pod)) return {{kind::unschedulable, ""}};
  if (!pod.node_name.empty() && pod.node_name != node.name) return {{kind::node_name, ""}};
  if (auto* t = untolerated(pod, node)) return {{kind::taint, t->key + ": " + t->value}};
  if (!selected(pod, node)) return {{kind::selector, ""}};
  if (!ports_free(pod, node)) return {{kind::ports, ""}};
  std::vector<refusal> out;
  if (node.pods + 1 > node.allowed_pods) out.push_back({kind::too_many_pods, ""});
  auto& want = pod.requests;
  if (short_of(want.milli_cpu, node.allocatable.milli_cpu, node.requested.milli_cpu))
    out.push_back({kind::insufficient, "cpu"});
  if (short_of(want.memory_bytes, node.allocatable.memory_bytes, node.requested.memory_bytes))
    out.push_back({kind::insufficient, "memory"});
  if (short_of(want.ephemeral_bytes, node.allocatable.ephemeral_bytes, node.requested.ephemeral_bytes))
    out.push_back({kind::insufficient, "ephemeral-storage"});
  for (auto& [name, n] : want.extended)
    if (short_of(n, node.allocatable.extended_amount(name), node.requested.extended_amount(name)))
      out.push_back({kind::insufficient, name});
  if (out.empty() && !reaches_volumes(pod, node)) out.push_back({kind::volumes, ""});
  return out;
}

int64_t least_allocated(const pod_wants& pod, const node_state& node) {
  int64_t sum = 0, weight = 0;
  auto add = [&](wide requested, int64_t capacity) {
    if (capacity <= 0) return;
    ++weight;
    if (requested <= capacity) sum += static_cast<int64_t>((capacity - requested) * max_score / capacity);
  };
  add(node.score_milli_cpu + pod.score_milli_cpu, node.allocatable.milli_cpu);
  add(node.score_memory_bytes + pod.score_memory_bytes, node.allocatable.memory_bytes);
  return weight ? sum / weight : 0;
}

namespace {

/// A used fraction in parts of a capacity below 2^56: the product of two and a percentage fits 128 bits.
struct fraction {
  wide used, capacity;
  fraction(wide u, int64_t c) : used(std::min<wide>(u, c)), capacity(c) {
    for (; capacity >= wide{1} << 56; capacity >>= 1)
      used >>= 1;
  }
};

} // namespace

int64_t evenness(wide used_a, int64_t capacity_a, wide used_b, int64_t capacity_b) {
  // 1 - |a/A - b/B| / 2 in hundredths, exactly: the deviation of two values is half their distance.
  if (capacity_a <= 0 || capacity_b <= 0) return max_score;
  fraction first{used_a, capacity_a}, second{used_b, capacity_b};
  auto a = first.used * second.capacity, b = second.used * first.capacity;
  auto whole = first.capacity * second.capacity * 2;
  return static_cast<int64_t>((whole - (a > b ? a - b : b - a)) * max_score / whole);
}

int64_t balanced_allocation(const pod_wants& pod, const node_state& node) {
  // Pods that ask for nothing move no balance: the plugin sits out for them.
  if (pod.requests.milli_cpu == 0 && pod.requests.memory_bytes == 0) return 0;
  auto balance = [&](wide cpu, wide memory) {
    return evenness(cpu, node.allocatable.milli_cpu, memory, node.allocatable.memory_bytes);
  };
  auto without = balance(node.requested.milli_cpu, node.requested.memory_bytes);
  auto with = balance(node.requested.milli_cpu + pod.requests.milli_cpu,
                      node.requested.memory_bytes + pod.requests.memory_bytes);
  return 50 + (50 + with - without) / 2;
}

size_t nodes_to_find(size_t nodes) {
  if (nodes < 100) return nodes;
  auto percent = std::max<int64_t>(5, 50 - static_cast<int64_t>(nodes) / 125);
  return std::max<size_t>(100, nodes * static_cast<size_t>(percent) / 100);
}

choice choose(const pod_wants& pod, const std::vector<node_state>& nodes, size_t start,
              random_stream& random) {
  choice out;
  std::vector<size_t> feasible;
  auto enough = nodes_to_find(nodes.size());
  for (; out.examined < nodes.size() && feasible.size() < enough; ++out.examined) {
    auto i = (start + out.examined) % nodes.size();
    if (fits(pod, nodes[i])) feasible.push_back(i);
  }
  if (feasible.size() <= 1) {
    if (!feasible.empty()) out.node = feasible.front();
    return out;
  }
  constexpr int64_t taint_weight = 3;
  int64_t most_taints = 0;
  for (auto i : feasible)
    most_taints = std::max(most_taints, prefer_no_schedule(pod, nodes[i]));
  int64_t best = -1;
  uint64_t ties = 0;
  for (auto i : feasible) {
    auto score = least_allocated(pod, nodes[i]) + balanced_allocation(pod, nodes[i]);
    if (most_taints > 0)
      score += taint_weight * (max_score - max_score * prefer_no_schedule(pod, nodes[i]) / most_taints);
    if (score < best) continue;
    if (score > best) {
      best = score;
      ties = 0;
    }
    // Each of n equals is kept with the chance 1/n.
    ++ties;
    auto draw = ties == 1 ? 0 : random.below(ties);
    if (draw == 0) out.node = i;
  }
  return out;
}

std::string failure_message(const pod_wants& pod, const std::vector<node_state>& nodes) {
  if (nodes.empty()) return "no nodes available to schedule pods";
  std::map<std::string, size_t> reasons;
  size_t final_ones = 0;
  for (auto& node : nodes) {
    auto why = refusals(pod, node);
    if (!why.empty() && why.front().final()) ++final_ones;
    for (auto& r : why)
      ++reasons[r.text()];
  }
  auto sentence = [&](const std::map<std::string, size_t>& counts) {
    std::vector<std::string> entries;
    entries.reserve(counts.size());
    for (auto& [text, n] : counts)
      entries.push_back(std::to_string(n) + ' ' + text);
    std::sort(entries.begin(), entries.end());
    auto out = "0/" + std::to_string(nodes.size()) + " nodes are available: ";
    for (size_t i = 0; i < entries.size(); ++i)
      out += (i ? ", " : "") + entries[i];
    return out + '.';
  };
  std::map<std::string, size_t> help;
  if (final_ones > 0) help["Preemption is not helpful for scheduling"] = final_ones;
  if (final_ones < nodes.size())
    help["No preemption victims found for incoming pod"] = nodes.size() - final_ones;
  return sentence(reasons) + " preemption: " + sentence(help);
}

} // namespace podium::placement
