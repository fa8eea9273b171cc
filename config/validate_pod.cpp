// Validation of pods: the spec as a whole, in the order in which Kubernetes judges it.
#include "config/judged.hpp"

#include <limits>

namespace podium::config {
namespace {

constexpr size_t most_name_servers = 3, most_searches = 32, most_search_bytes = 2048;

struct name_row {
  std::string_view field;
  name_check check;
};

constexpr name_row spec_names[] = {
    {"serviceAccountName", check_dns_subdomain},
    {"nodeName", check_dns_subdomain},
};

constexpr name_row later_names[] = {
    {"hostname", check_dns_label},
    {"subdomain", check_dns_label},
};

constexpr name_row class_names[] = {
    {"priorityClassName", check_dns_subdomain},
    {"runtimeClassName", check_dns_subdomain},
};

template <size_t N>
void validate_names(const judged& spec, const name_row (&rows)[N]) {
  for (const auto& row : rows)
    spec.format(row.field, row.check);
}

void validate_host_network(const judged& spec) {
  if (!spec.flag("hostNetwork")) return;
  spec.each("containers", [](const judged& container, size_t) {
    container.each("ports", [](const judged& port, size_t) {
      auto host_port = port.number("hostPort");
      if (host_port != port.number("containerPort"))
        port.out().invalid(port.at("hostPort"), host_port,
                           "must match `containerPort` when `hostNetwork` is true");
    });
  });
}

void validate_host_users(const judged& spec) {
  if (spec.flag("hostUsers", true)) return;
  struct row {
    std::string_view field, shown;
  };
  // The capital letters are Kubernetes' own.
  constexpr row rows[] = {{"hostNetwork", "hostNetwork"}, {"hostPID", "HostPID"}, {"hostIPC", "HostIPC"}};
  for (const auto& r : rows)
    if (spec.flag(r.field)) spec.out().forbidden(spec.at(r.shown), "when `pod.Spec.HostUsers` is false");
}

void validate_dns_values(const judged& config) {
  auto& out = config.out();
  const auto& searches = config.list("searches");
  if (config.list("nameservers").size() > most_name_servers)
    config.invalid("nameservers", "must not have more than 3 nameservers");
  config.each_text("nameservers", [&](std::string_view ip, const std::string& path) {
    out.invalid(path, json::value(ip), check_ip(ip));
  });
  if (searches.size() > most_searches) config.invalid("searches", "must not have more than 32 search paths");
  size_t bytes = searches.empty() ? 0 : searches.size() - 1;
  config.each_text("searches", [&](std::string_view domain, const std::string&) { bytes += domain.size(); });
  if (bytes > most_search_bytes)
    config.invalid("searches",
                   "must not have more than 2048 characters (including spaces) in the search list");
  config.each_text("searches", [&](std::string_view domain, const std::string& path) {
    if (domain.ends_with('.')) domain.remove_suffix(1);
    out.invalid(path, json::value(domain), check_dns_subdomain(domain));
  });
  config.each("options", [&](const judged& option, size_t) {
    if (option.text("name").empty()) out.required(option.path(), "must not be empty");
  });
}

void validate_dns(const judged& spec) {
  const auto* config = object_at(spec.object(), "dnsConfig");
  auto path = spec.at("dnsConfig");
  if (spec.text("dnsPolicy") == "None") {
    if (config == nullptr)
      return spec.out().required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
    if (list_at(*config, "nameservers").empty())
      return spec.out().required(join_path(path, "nameservers"),
                                 "must provide at least one DNS nameserver when `dnsPolicy` is None");
  }
  if (config != nullptr) validate_dns_values({*config, path, spec.out()});
}

void validate_gates(const judged& spec) {
  spec.each("readinessGates", [](const judged& gate, size_t) {
    auto type = gate.text("conditionType");
    gate.out().invalid(gate.at("conditionType"), json::value(type), check_qualified_name(type));
  });
  std::set<std::string_view> seen;
  spec.each("schedulingGates", [&](const judged& gate, size_t) {
    auto name = gate.text("name");
    gate.out().invalid(gate.path(), json::value(name), check_qualified_name(name));
    if (!seen.insert(name).second) gate.out().duplicate(gate.path(), json::value(name));
  });
}

void validate_host_aliases(const judged& spec) {
  spec.each("hostAliases", [](const judged& alias, size_t) {
    alias.out().invalid(alias.at("ip"), json::value(alias.text("ip")), check_ip(alias.text("ip")));
    alias.each_text("hostnames", [&](std::string_view name, const std::string& path) {
      alias.out().invalid(path, json::value(name), check_dns_subdomain(name));
    });
  });
}

void validate_resource_claims(const judged& spec, pod_facts& facts) {
  spec.each("resourceClaims", [&](const judged& claim, size_t) {
    auto name = claim.text("name");
    if (name.empty())
      claim.out().required(claim.at("name"));
    else if (!facts.claims.insert(std::string{name}).second)
      claim.out().duplicate(claim.at("name"), json::value(name));
    else
      claim.out().invalid(claim.at("name"), json::value(name), check_dns_label(name));
    int found = int{claim.has("resourceClaimName")} + int{claim.has("resourceClaimTemplateName")};
    if (found == 2)
      claim.out().invalid(
          claim.path(), json::value(claim.object()),
          "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified");
    else if (found == 0)
      claim.out().invalid(claim.path(), json::value(claim.object()),
                          "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
    for (auto key : {"resourceClaimName", "resourceClaimTemplateName"})
      claim.format(key, check_dns_subdomain);
  });
}

void validate_overhead(const judged& spec) {
  const auto* overhead = object_at(spec.object(), "overhead");
  if (overhead == nullptr) return;
  json::object as_limits{{"limits", *overhead}};
  validate_resources({as_limits, spec.at("overhead"), spec.out()}, nullptr);
}

pod_facts facts_of(const judged& spec, std::string_view pod_name) {
  pod_facts out;
  out.pod_name = pod_name;
  // A negative grace period is taken for 1 second and judged nowhere else.
  if (auto grace = spec.number("terminationGracePeriodSeconds"); grace >= 0) out.grace_seconds = grace;
  out.host_users = spec.flag("hostUsers", true);
  out.never_restarts = spec.text("restartPolicy") == "Never";
  return out;
}

void validate_mirror(const judged& spec, const json::value& pod) {
  const auto* metadata = object_at(pod, "metadata");
  const auto* annotations = metadata == nullptr ? nullptr : object_at(*metadata, "annotations");
  if (annotations == nullptr) return;
  constexpr std::string_view mirror = "kubernetes.io/config.mirror";
  constexpr std::string_view cost = "controller.kubernetes.io/pod-deletion-cost";
  if (annotations->contains(mirror) && spec.text("nodeName").empty())
    spec.out().invalid("metadata.annotations[" + std::string{mirror} + "]",
                       json::value(text_at(*annotations, mirror)),
                       "must set spec.nodeName if mirror pod annotation is set");
  if (annotations->contains(cost)) {
    auto text = text_at(*annotations, cost);
    auto digits = text.starts_with('-') ? text.substr(1) : text;
    bool ok = !digits.empty() && digits.size() <= 10 && (digits.front() != '0' || digits.size() == 1)
              && digits.find_first_not_of("0123456789") == std::string_view::npos;
    if (auto n = ok ? std::stoll(std::string{text}) : 0;
        !ok || n < std::numeric_limits<int32_t>::min() || n > std::numeric_limits<int32_t>::max())
      spec.out().invalid("metadata.annotations[" + std::string{cost} + "]", json::value(text),
                         "must be a 32bit integer");
  }
}

const json::object& spec_of(const json::value& pod) {
  static const json::object none;
  const auto* spec = object_at(pod, "spec");
  return spec == nullptr ? none : *spec;
}

} // namespace

void validate_pod_spec(const judged& spec, std::string_view pod_name) {
  auto facts = facts_of(spec, pod_name);
  validate_volumes(spec, facts);
  validate_resource_claims(spec, facts);
  validate_containers(spec, facts);
  validate_host_network(spec);
  spec.choice("restartPolicy", {"Always", "OnFailure", "Never"}, true);
  spec.choice("dnsPolicy", {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"}, true);
  validate_labels(object_at(spec.object(), "nodeSelector"), spec.at("nodeSelector"), spec.out());
  validate_pod_security(spec);
  validate_affinity(spec);
  validate_dns(spec);
  validate_gates(spec);
  validate_topology_spread(spec);
  validate_host_users(spec);
  validate_names(spec, spec_names);
  spec.between("activeDeadlineSeconds", 1, std::numeric_limits<int32_t>::max());
  validate_names(spec, later_names);
  validate_tolerations(spec);
  validate_host_aliases(spec);
  validate_names(spec, class_names);
  if (spec.has("preemptionPolicy")) spec.choice("preemptionPolicy", {"PreemptLowerPriority", "Never"}, true);
  validate_overhead(spec);
  validate_os(spec);
  spec.with("resources", [&](const judged& resources) { validate_resources(resources, &facts); });
}

void validate_pod_parts(const json::value& pod, field_causes& out) {
  validate_metadata(pod, true, check_dns_subdomain, out);
  judged spec{spec_of(pod), "spec", out};
  validate_mirror(spec, pod);
  const auto* metadata = object_at(pod, "metadata");
  validate_pod_spec(spec, metadata == nullptr ? std::string_view{} : text_at(*metadata, "name"));
}

field_causes validate_pod(const json::value& pod) {
  field_causes out;
  validate_pod_parts(pod, out);
  judged spec{spec_of(pod), "spec", out};
  if (!spec.list("ephemeralContainers").empty())
    spec.forbidden("ephemeralContainers", "cannot be set on create");
  if (!spec.text("nodeName").empty() && !spec.list("schedulingGates").empty())
    spec.forbidden("nodeName", "cannot be set until all schedulingGates have been cleared");
  return out;
}

} // namespace podium::config
