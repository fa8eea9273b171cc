#include "actors/pod_resources.hpp"

#include "actors/container_kinds.hpp"

#include "actors/pod_inputs.hpp"
#include "core/cgroup_formulas.hpp"
#include "core/quantity.hpp"
#include "core/saturating.hpp"

#include <algorithm>

namespace podium {
namespace {

int64_t request_of(const container_spec& c, const std::string& resource) {
  auto amount = amount_of(c.resources.requests, resource);
  return c.resources.requests.contains(resource) ? amount : amount_of(c.resources.limits, resource);
}

bool is_sidecar(const container_spec& c) {
  return c.restart_policy == "Always";
}

int64_t limit_of(const container_spec& c, const std::string& resource) {
  return amount_of(c.resources.limits, resource);
}

/// What a pod has at its peak: all regular containers and sidecars, or an init container beside the sidecars
/// before it.
int64_t pod_peak(const pod_spec& spec, const std::string& resource,
                 int64_t (*amount)(const container_spec&, const std::string&)) {
  int64_t regular = 0, sidecars = 0, init_peak = 0;
  for (auto& c : spec.containers)
    regular = saturating_add(regular, amount(c, resource));
  for (auto& c : spec.init_containers) {
    auto step = saturating_add(sidecars, amount(c, resource));
    if (is_sidecar(c)) sidecars = step;
    init_peak = std::max(init_peak, step);
  }
  return saturating_add(std::max(saturating_add(regular, sidecars), init_peak),
                        amount_of(spec.overhead, resource));
}

std::string host_name_of(const object& ref, const pod_spec& spec) {
  // Source: the kernel's limit on host names; Kubernetes cuts the pod's name to it.
  auto out = spec.hostname.empty() ? ref.key().name.substr(0, 63) : spec.hostname;
  while (out.ends_with('-') || out.ends_with('.'))
    out.pop_back();
  return out;
}

/// Source: the kubelet's rule. On the node's network ClusterFirst is Default.
bool wants_cluster_dns(const pod_spec& spec) {
  return (spec.dns_policy == "ClusterFirst" && !spec.host_network)
         || spec.dns_policy == "ClusterFirstWithHostNet";
}

dns_settings dns_of(const pod_spec& spec, const std::string& ns, const node_settings& node) {
  dns_settings out;
  if (spec.dns_policy == "None") out.of_node = false;
  // Without a cluster's name server ClusterFirst is Default.
  if (wants_cluster_dns(spec) && !node.cluster_dns.empty()) {
    out.of_node = false;
    out.nameservers = node.cluster_dns;
    out.searches = {ns + ".svc." + node.cluster_domain, "svc." + node.cluster_domain, node.cluster_domain};
    out.options = {"ndots:5"};
  }
  if (!spec.dns_config_) return out;
  auto& own = *spec.dns_config_;
  out.nameservers.insert(out.nameservers.end(), own.nameservers.begin(), own.nameservers.end());
  out.searches.insert(out.searches.end(), own.searches.begin(), own.searches.end());
  for (auto& option : own.options)
    out.options.push_back(option.name + (option.value && !option.value->empty() ? ":" + *option.value : ""));
  return out;
}

} // namespace

int64_t amount_of(const quantity_map& resources, const std::string& resource) {
  auto i = resources.find(resource);
  if (i == resources.end()) return 0;
  auto q = quantity::parse(i->second);
  if (!q) return 0;
  return resource == "cpu" ? q->milli_value() : q->value();
}

resource_amounts pod_requests_of(const pod_spec& spec) {
  return {pod_peak(spec, "cpu", request_of), pod_peak(spec, "memory", request_of)};
}

std::string qos_class_of(const pod_spec& spec) {
  bool any = false, guaranteed = true;
  auto look = [&](const container_spec& c) {
    for (auto* resource : {"cpu", "memory"}) {
      auto request = request_of(c, resource), limit = amount_of(c.resources.limits, resource);
      any = any || request > 0 || limit > 0;
      guaranteed = guaranteed && limit > 0 && request == limit;
    }
  };
  std::for_each(spec.init_containers.begin(), spec.init_containers.end(), look);
  std::for_each(spec.containers.begin(), spec.containers.end(), look);
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

int32_t oom_score_adj_of(const std::string& qos, int64_t request, int64_t machine_bytes) {
  auto level = qos == "Guaranteed"   ? qos_class::guaranteed
               : qos == "BestEffort" ? qos_class::best_effort
                                     : qos_class::burstable;
  return oom_score_of(level, false, request, machine_bytes);
}

probe_spec resolve_probe_ports(probe_spec probe, const container_spec& container) {
  auto resolve = [&](int_or_string& port) {
    if (!port.is_text()) return;
    for (auto& p : container.ports)
      if (p.name == port.text) port = {p.container_port, ""};
    // A number that was written as a text is one.
    if (port.is_text() && port.text.find_first_not_of("0123456789") == std::string::npos
        && port.text.size() < 6)
      port = {std::stoi(port.text), ""};
  };
  // Source: the kubelet expands a probe's command by what the spec itself says of the environment.
  auto value_of = [&](const std::string& name) -> std::optional<std::string> {
    for (auto& e : container.env)
      if (e.name == name) return e.value;
    return std::nullopt;
  };
  if (probe.exec)
    for (auto& word : probe.exec->command)
      word = expand_references(word, value_of);
  if (probe.http_get) resolve(probe.http_get->port);
  if (probe.tcp_socket) resolve(probe.tcp_socket->port);
  return probe;
}

bool lacks_cluster_dns(const pod_spec& spec, const node_settings& node) {
  return wants_cluster_dns(spec) && node.cluster_dns.empty();
}

create_sandbox make_create_sandbox(const object& ref, const pod& pod, const node_settings& node) {
  create_sandbox out;
  out.pod_uid = ref.uid();
  out.pod_name = ref.key().name;
  out.pod_namespace = ref.key().ns;
  auto& spec = pod.spec;
  out.hostname = host_name_of(ref, spec);
  if (!spec.subdomain.empty())
    out.domain = spec.subdomain + "." + out.pod_namespace + ".svc." + node.cluster_domain;
  if (spec.set_hostname_as_fqdn.value_or(false) && !out.domain.empty()) out.hostname += "." + out.domain;
  out.set_hostname_as_fqdn = spec.set_hostname_as_fqdn.value_or(false);
  out.host_aliases = spec.host_aliases;
  out.dns = dns_of(spec, out.pod_namespace, node);
  if (spec.security_context_) out.sysctls = spec.security_context_->sysctls;
  out.host_network = spec.host_network;
  out.host_pid = spec.host_pid;
  out.host_ipc = spec.host_ipc;
  out.share_process_namespace = spec.share_process_namespace.value_or(false);
  bool all_cpu = true, all_memory = true;
  for (auto* list : {&spec.init_containers, &spec.containers})
    for (auto& c : *list) {
      all_cpu = all_cpu && limit_of(c, "cpu") > 0;
      all_memory = all_memory && limit_of(c, "memory") > 0;
      // Init containers have no ports of the node's, but for those that run beside the others.
      if (list == &spec.init_containers && !is_sidecar(c)) continue;
      for (auto& p : c.ports)
        if (p.host_port > 0)
          out.ports.push_back(
              {p.protocol.empty() ? "TCP" : p.protocol, p.host_ip, p.host_port, p.container_port});
    }
  // Source: the pod's cgroup is limited only where every container is.
  out.cpu_shares = cpu_shares_of(pod_requests_of(spec).cpu_millicores);
  out.cpu_quota_us = all_cpu ? cpu_quota_of(pod_peak(spec, "cpu", limit_of)) : 0;
  out.memory_limit_bytes = all_memory ? pod_peak(spec, "memory", limit_of) : 0;
  return out;
}

create_container make_create_container(const object& ref, const pod& pod, const container_spec& spec,
                                       int64_t machine_memory_bytes, uint32_t attempt,
                                       const std::string& image_id) {
  create_container out;
  out.key = {ref.uid(), spec.name, attempt};
  out.pod_name = ref.key().name;
  out.pod_namespace = ref.key().ns;
  out.hostname = host_name_of(ref, pod.spec);
  out.image = spec.image;
  out.image_id = image_id;
  out.spec = spec;
  out.pod_security = pod.spec.security_context_;
  out.host_network = pod.spec.host_network;
  out.host_pid = pod.spec.host_pid;
  out.host_ipc = pod.spec.host_ipc;
  out.share_process_namespace = pod.spec.share_process_namespace.value_or(false);
  out.cpu_shares = cpu_shares_of(request_of(spec, "cpu"));
  out.cpu_quota_us = cpu_quota_of(amount_of(spec.resources.limits, "cpu"));
  out.memory_limit_bytes = amount_of(spec.resources.limits, "memory");
  auto qos = qos_class_of(pod.spec);
  out.oom_score_adj = oom_score_adj_of(qos, request_of(spec, "memory"), machine_memory_bytes);
  // A sidecar is not killed before the containers that it serves. Source: pod-semantics §6.
  if (find_container(pod.spec, spec.name).kind == container_kind::sidecar && !pod.spec.containers.empty()) {
    auto least = request_of(pod.spec.containers.front(), "memory");
    for (auto& c : pod.spec.containers)
      least = std::min(least, request_of(c, "memory"));
    out.oom_score_adj = std::min(out.oom_score_adj, oom_score_adj_of(qos, least, machine_memory_bytes));
  }
  return out;
}

} // namespace podium
