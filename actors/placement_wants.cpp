#include "actors/placement_wants.hpp"

#include "core/quantity.hpp"
#include "core/saturating.hpp"

#include <algorithm>
#include <optional>

namespace podium::placement {
namespace {

// Source: the scheduler's defaults for scores of containers without a request.
constexpr int64_t unrequested_milli_cpu = 100, unrequested_memory_bytes = 200 * 1024 * 1024;

std::optional<quantity> read(const quantity_map& map, const std::string& name) {
  auto i = map.find(name);
  if (i == map.end()) return {};
  auto q = quantity::parse(i->second);
  return q ? std::optional{*q} : std::nullopt;
}

/// Named resources that are counted like cpu: everything but the three every node has, and pods.
bool is_extended(const std::string& name) {
  return name != "cpu" && name != "memory" && name != "ephemeral-storage" && name != "pods";
}

/// Requests of one container; what has a limit alone requests that much, as defaulting has it.
amounts container_requests(const container_spec& c) {
  auto map = c.resources.requests;
  for (auto& [name, limit] : c.resources.limits)
    map.try_emplace(name, limit);
  return amounts_of(map);
}

/// The same as the scores see it.
amounts container_score(const container_spec& c) {
  auto out = container_requests(c);
  auto given = [&](const char* name) {
    return read(c.resources.requests, name) || read(c.resources.limits, name);
  };
  if (!given("cpu")) out.milli_cpu = unrequested_milli_cpu;
  if (!given("memory")) out.memory_bytes = unrequested_memory_bytes;
  return out;
}

template <class Each>
amounts pod_sum(const pod_spec& spec, Each each) {
  amounts running, sidecars, first;
  for (auto& c : spec.containers)
    running.add(each(c));
  for (auto& c : spec.init_containers) {
    auto one = each(c);
    if (c.restart_policy == "Always") {
      // Sidecars stay: they add to what runs, and to every step after them.
      sidecars.add(one);
      first.raise_to(sidecars);
    } else {
      one.add(sidecars);
      first.raise_to(one);
    }
  }
  running.add(sidecars);
  running.raise_to(first);
  running.add(amounts_of(spec.overhead));
  return running;
}

std::vector<host_port> host_ports(const pod_spec& spec) {
  std::vector<host_port> out;
  auto collect = [&](const container_spec& c) {
    for (auto& p : c.ports)
      if (p.host_port > 0)
        out.push_back({p.host_port, p.protocol.empty() ? "TCP" : p.protocol,
                       p.host_ip.empty() || p.host_ip == "::" ? "0.0.0.0" : p.host_ip});
  };
  for (auto& c : spec.containers)
    collect(c);
  for (auto& c : spec.init_containers)
    if (c.restart_policy == "Always") collect(c);
  return out;
}

} // namespace

amounts amounts_of(const quantity_map& map) {
  amounts out;
  for (auto& [name, text] : map) {
    auto q = quantity::parse(text);
    if (!q) continue;
    if (name == "cpu")
      out.milli_cpu = q->milli_value();
    else if (name == "memory")
      out.memory_bytes = q->value();
    else if (name == "ephemeral-storage")
      out.ephemeral_bytes = q->value();
    else if (is_extended(name))
      out.extended.emplace_back(name, q->value());
  }
  return out;
}

namespace {

/// The entry of a name in a sorted list, made when it is missing.
template <class List>
auto& entry_of(List& list, const std::string& name) {
  auto i = std::lower_bound(list.begin(), list.end(), name, [](auto& x, auto& key) { return x.first < key; });
  if (i == list.end() || i->first != name) i = list.insert(i, {name, 0});
  return i->second;
}

template <class List>
auto amount_in(const List& list, const std::string& name) {
  for (auto& [key, n] : list)
    if (key == name) return n;
  return decltype(list.front().second){0};
}

} // namespace

void amounts::add(const amounts& other) {
  milli_cpu = saturating_add(milli_cpu, other.milli_cpu);
  memory_bytes = saturating_add(memory_bytes, other.memory_bytes);
  ephemeral_bytes = saturating_add(ephemeral_bytes, other.ephemeral_bytes);
  for (auto& [name, n] : other.extended) {
    auto& sum = entry_of(extended, name);
    sum = saturating_add(sum, n);
  }
}

void amounts::raise_to(const amounts& other) {
  milli_cpu = std::max(milli_cpu, other.milli_cpu);
  memory_bytes = std::max(memory_bytes, other.memory_bytes);
  ephemeral_bytes = std::max(ephemeral_bytes, other.ephemeral_bytes);
  for (auto& [name, n] : other.extended) {
    auto& sum = entry_of(extended, name);
    sum = std::max(sum, n);
  }
}

int64_t amounts::extended_amount(const std::string& name) const {
  return amount_in(extended, name);
}

void amount_sums::add(const amounts& pod, int sign) {
  milli_cpu += sign * wide{pod.milli_cpu};
  memory_bytes += sign * wide{pod.memory_bytes};
  ephemeral_bytes += sign * wide{pod.ephemeral_bytes};
  for (auto& [name, n] : pod.extended)
    entry_of(extended, name) += sign * wide{n};
}

amount_sums::wide amount_sums::extended_amount(const std::string& name) const {
  return amount_in(extended, name);
}

bool amounts::zero() const {
  return milli_cpu == 0 && memory_bytes == 0 && ephemeral_bytes == 0
         && std::all_of(extended.begin(), extended.end(), [](auto& x) { return x.second == 0; });
}

amounts pod_requests(const pod_spec& spec) {
  return pod_sum(spec, container_requests);
}

pod_wants wants_of(const pod_spec& spec) {
  pod_wants out;
  out.requests = pod_requests(spec);
  auto score = pod_sum(spec, container_score);
  out.score_milli_cpu = score.milli_cpu;
  out.score_memory_bytes = score.memory_bytes;
  out.ports = host_ports(spec);
  out.tolerations = spec.tolerations;
  out.node_selector = spec.node_selector;
  out.node_name = spec.node_name;
  out.priority = spec.priority;
  return out;
}

} // namespace podium::placement
