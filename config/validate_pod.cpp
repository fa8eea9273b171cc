// Validation of pods: the spec as a whole.
#include "config/document.hpp"
#include "config/json_access.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

namespace podium::config {
namespace {

struct choice_row {
  std::string_view field;
  bool is_required;
  std::array<std::string_view, 4> supported;
};

// Texts of the spec that have few values, in the order Kubernetes lists them.
constexpr std::array spec_choices{
    choice_row{"restartPolicy", true, {"Always", "OnFailure", "Never"}},
    choice_row{"dnsPolicy", true, {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"}},
    choice_row{"preemptionPolicy", false, {"Never", "PreemptLowerPriority"}},
};

struct name_row {
  std::string_view field;
  format_problems (*check)(std::string_view);
};

constexpr std::array spec_names{
    name_row{"nodeName", check_dns_subdomain},
    name_row{"serviceAccountName", check_dns_subdomain},
    name_row{"hostname", check_dns_label},
    name_row{"subdomain", check_dns_label},
    name_row{"schedulerName", check_dns_subdomain},
    name_row{"runtimeClassName", check_dns_subdomain},
    name_row{"priorityClassName", check_dns_subdomain},
};

void validate_toleration(const json::value& toleration, const std::string& path, field_causes& out) {
  auto key = text_at(toleration, "key");
  auto op = text_at(toleration, "operator");
  auto effect = text_at(toleration, "effect");
  auto value = text_at(toleration, "value");
  if (!key.empty()) out.invalid(join_path(path, "key"), json::value(key), check_qualified_name(key));
  if (key.empty() && op != "Exists")
    out.invalid(join_path(path, "operator"), json::value(op),
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
  if (has(toleration, "tolerationSeconds") && effect != "NoExecute")
    out.invalid(join_path(path, "effect"), json::value(effect),
                "effect must be 'NoExecute' when `tolerationSeconds` is set");
  if (op.empty() || op == "Equal") {
    out.invalid(join_path(path, "operator"), json::value(value), check_label_value(value));
  } else if (op == "Exists") {
    if (!value.empty())
      out.invalid(join_path(path, "operator"), toleration, "value must be empty when `operator` is 'Exists'");
  } else {
    out.not_supported(join_path(path, "operator"), op, {"Equal", "Exists"});
  }
  if (!effect.empty() && effect != "NoSchedule" && effect != "PreferNoSchedule" && effect != "NoExecute")
    out.not_supported(join_path(path, "effect"), effect, {"NoSchedule", "PreferNoSchedule", "NoExecute"});
}

void validate_expressions(const json::value& term, std::string_view key, const std::string& path,
                          field_causes& out) {
  const auto& expressions = list_at(term, key);
  for (size_t i = 0; i < expressions.size(); ++i) {
    auto here = join_path(join_path(path, key), i);
    auto op = text_at(expressions[i], "operator");
    const auto& values = list_at(expressions[i], "values");
    auto name = text_at(expressions[i], "key");
    if (op == "In" || op == "NotIn") {
      if (values.empty())
        out.required(join_path(here, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (!values.empty())
        out.forbidden(join_path(here, "values"),
                      "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (op == "Gt" || op == "Lt") {
      if (values.size() != 1)
        out.required(join_path(here, "values"),
                     "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else {
      out.invalid(join_path(here, "operator"), json::value(op), "not a valid selector operator");
    }
    if (key == "matchExpressions")
      out.invalid(join_path(here, "key"), json::value(name), check_qualified_name(name));
  }
}

void validate_node_affinity(const json::object& affinity, const std::string& path, field_causes& out) {
  if (const auto* required = object_at(affinity, "requiredDuringSchedulingIgnoredDuringExecution")) {
    auto terms_path = join_path(path, "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
    const auto& terms = list_at(*required, "nodeSelectorTerms");
    if (terms.empty()) out.required(terms_path, "must have at least one node selector term");
    for (size_t i = 0; i < terms.size(); ++i)
      for (auto key : {"matchExpressions", "matchFields"})
        validate_expressions(terms[i], key, join_path(terms_path, i), out);
  }
  const auto& preferred = list_at(affinity, "preferredDuringSchedulingIgnoredDuringExecution");
  for (size_t i = 0; i < preferred.size(); ++i) {
    auto here = join_path(join_path(path, "preferredDuringSchedulingIgnoredDuringExecution"), i);
    auto weight = int_at(preferred[i], "weight");
    if (weight < 1 || weight > 100)
      out.invalid(join_path(here, "weight"), weight, "must be in the range 1-100");
    if (const auto* preference = member(preferred[i], "preference"))
      for (auto key : {"matchExpressions", "matchFields"})
        validate_expressions(*preference, key, join_path(here, "preference"), out);
  }
}

void validate_host_namespaces(const json::object& spec, const std::string& path, field_causes& out) {
  if (!bool_at(spec, "shareProcessNamespace")) return;
  if (bool_at(spec, "hostPID"))
    out.invalid(join_path(path, "shareProcessNamespace"), true,
                "ShareProcessNamespace and HostPID cannot both be enabled");
}

void validate_dns_config(const json::object& spec, const std::string& path, field_causes& out) {
  const auto* config = object_at(spec, "dnsConfig");
  auto servers_path = join_path(path, "dnsConfig.nameservers");
  static const json::object none;
  const auto& servers = list_at(config == nullptr ? none : *config, "nameservers");
  if (text_at(spec, "dnsPolicy") == "None" && servers.empty())
    out.required(servers_path, "must provide at least one DNS nameserver when `dnsPolicy` is None");
  if (servers.size() > 3) out.invalid(servers_path, servers, "must not have more than 3 nameservers");
  for (size_t i = 0; i < servers.size(); ++i)
    if (servers[i].is_string())
      out.invalid(join_path(servers_path, i), servers[i], check_ip(servers[i].get_string()));
}

/// Host ports of all containers together must differ in protocol, address or number.
void validate_host_ports(const json::object& spec, const std::string& path, field_causes& out) {
  std::set<std::string> seen;
  bool host_network = bool_at(spec, "hostNetwork");
  const auto& containers = list_at(spec, "containers");
  for (size_t i = 0; i < containers.size(); ++i) {
    const auto& ports = list_at(containers[i], "ports");
    for (size_t j = 0; j < ports.size(); ++j) {
      auto here = join_path(join_path(join_path(join_path(path, "containers"), i), "ports"), j);
      auto host_port = int_at(ports[j], "hostPort");
      auto port = int_at(ports[j], "containerPort");
      if (host_network && host_port != port)
        out.invalid(join_path(here, "containerPort"), port,
                    "must match `hostPort` when `hostNetwork` is true");
      if (host_port == 0) continue;
      auto id = std::string{text_at(ports[j], "protocol")} + "/" + std::string{text_at(ports[j], "hostIP")}
                + "/" + std::to_string(host_port);
      if (!seen.insert(id).second) out.duplicate(join_path(here, "hostPort"), json::value(id));
    }
  }
}

void validate_containers(const json::object& spec, const std::string& path, field_causes& out) {
  if (list_at(spec, "containers").empty()) out.required(join_path(path, "containers"));
  std::set<std::string> names;
  for (std::string_view kind : {"containers", "initContainers", "ephemeralContainers"}) {
    const auto& list = list_at(spec, kind);
    for (size_t i = 0; i < list.size(); ++i) {
      const auto* container = list[i].if_object();
      if (container == nullptr) continue;
      auto here = join_path(join_path(path, kind), i);
      validate_container(*container, here, kind, spec, out);
      auto name = text_at(*container, "name");
      if (!name.empty() && !names.insert(std::string{name}).second)
        out.duplicate(join_path(here, "name"), json::value(name));
    }
  }
}

void validate_choices(const json::object& spec, const std::string& path, field_causes& out) {
  for (const auto& row : spec_choices) {
    auto value = text_at(spec, row.field);
    if (value.empty()) {
      if (row.is_required) out.required(join_path(path, row.field));
      continue;
    }
    std::vector<std::string_view> supported;
    for (auto word : row.supported)
      if (!word.empty()) supported.push_back(word);
    if (std::find(supported.begin(), supported.end(), value) == supported.end())
      out.not_supported(join_path(path, row.field), value, supported);
  }
}

void validate_pod_security(const json::object& spec, const std::string& path, field_causes& out) {
  const auto* context = object_at(spec, "securityContext");
  if (context == nullptr) return;
  constexpr int64_t top = std::numeric_limits<int32_t>::max();
  for (auto key : {"runAsUser", "runAsGroup", "fsGroup"})
    if (auto id = int_at(*context, key); id < 0 || id > top)
      out.invalid(join_path(join_path(path, "securityContext"), key), id,
                  "must be between 0 and 2147483647, inclusive");
  const auto& groups = list_at(*context, "supplementalGroups");
  for (size_t i = 0; i < groups.size(); ++i)
    if (groups[i].is_int64() && (groups[i].get_int64() < 0 || groups[i].get_int64() > top))
      out.invalid(join_path(join_path(path, "securityContext.supplementalGroups"), i), groups[i],
                  "must be between 0 and 2147483647, inclusive");
}

} // namespace

void validate_pod_spec(const json::object& spec, const std::string& path, field_causes& out) {
  validate_volumes(list_at(spec, "volumes"), join_path(path, "volumes"), out);
  validate_containers(spec, path, out);
  validate_host_ports(spec, path, out);
  validate_choices(spec, path, out);
  validate_labels(object_at(spec, "nodeSelector"), join_path(path, "nodeSelector"), out);
  for (const auto& row : spec_names)
    if (auto name = text_at(spec, row.field); !name.empty())
      out.invalid(join_path(path, row.field), json::value(name), row.check(name));
  if (auto grace = int_at(spec, "terminationGracePeriodSeconds"); grace < 0)
    out.invalid(join_path(path, "terminationGracePeriodSeconds"), grace,
                "must be greater than or equal to 0");
  if (has(spec, "activeDeadlineSeconds")) {
    auto deadline = int_at(spec, "activeDeadlineSeconds");
    if (deadline < 1 || deadline > std::numeric_limits<int32_t>::max())
      out.invalid(join_path(path, "activeDeadlineSeconds"), deadline,
                  "must be between 1 and 2147483647, inclusive");
  }
  validate_pod_security(spec, path, out);
  validate_host_namespaces(spec, path, out);
  validate_dns_config(spec, path, out);
  const auto& secrets = list_at(spec, "imagePullSecrets");
  for (size_t i = 0; i < secrets.size(); ++i)
    if (text_at(secrets[i], "name").empty())
      out.required(join_path(join_path(join_path(path, "imagePullSecrets"), i), "name"));
  const auto& tolerations = list_at(spec, "tolerations");
  for (size_t i = 0; i < tolerations.size(); ++i)
    validate_toleration(tolerations[i], join_path(join_path(path, "tolerations"), i), out);
  const auto& aliases = list_at(spec, "hostAliases");
  for (size_t i = 0; i < aliases.size(); ++i) {
    auto ip = text_at(aliases[i], "ip");
    out.invalid(join_path(join_path(join_path(path, "hostAliases"), i), "ip"), json::value(ip), check_ip(ip));
  }
  const auto& gates = list_at(spec, "readinessGates");
  for (size_t i = 0; i < gates.size(); ++i) {
    auto type = text_at(gates[i], "conditionType");
    out.invalid(join_path(join_path(join_path(path, "readinessGates"), i), "conditionType"),
                json::value(type), check_qualified_name(type));
  }
  if (const auto* affinity = object_at(spec, "affinity"))
    if (const auto* node = object_at(*affinity, "nodeAffinity"))
      validate_node_affinity(*node, join_path(path, "affinity.nodeAffinity"), out);
  if (const auto* resources = object_at(spec, "resources"))
    validate_resources(*resources, join_path(path, "resources"), out);
}

field_causes validate_pod(const json::value& pod) {
  field_causes out;
  validate_metadata(pod, true, check_dns_subdomain, out);
  static const json::object none;
  const auto* spec = object_at(pod, "spec");
  validate_pod_spec(spec == nullptr ? none : *spec, "spec", out);
  return out;
}

} // namespace podium::config
