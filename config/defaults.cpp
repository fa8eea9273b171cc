#include "config/defaults.hpp"

#include "config/default_kinds.hpp"
#include "config/json_access.hpp"
#include "core/quantity.hpp"

#include <array>
#include <map>

namespace podium::config {
namespace {

constexpr int64_t default_file_mode = 0644;
constexpr int64_t toleration_seconds = 300;

using object_defaults = void (*)(json::object&);

/// Requests are limits where they are not given; amounts are kept in whole thousandths.
void default_resources(json::object& resources) {
  const auto* limits = object_at(resources, "limits");
  if (limits != nullptr && !limits->empty()) {
    auto copy = *limits;
    auto& requests = make_object(resources, "requests");
    for (const auto& [name, amount] : copy)
      requests.emplace(name, amount);
  }
  for (auto key : {"limits", "requests"})
    with_object(resources, key, [](json::object& amounts) {
      for (auto& [name, amount] : amounts)
        if (amount.is_string())
          if (auto parsed = quantity::parse(amount.get_string()))
            amount = parsed->rounded_up_to_milli().to_string();
    });
}

void default_http_get(json::object& action) {
  set_default(action, "path", "/");
  set_default(action, "scheme", "HTTP");
}

void default_probe(json::object& probe) {
  set_default_number(probe, "timeoutSeconds", 1);
  set_default_number(probe, "periodSeconds", 10);
  set_default_number(probe, "successThreshold", 1);
  set_default_number(probe, "failureThreshold", 3);
  with_object(probe, "httpGet", default_http_get);
  with_object(probe, "grpc", [](json::object& action) { set_default(action, "service", ""); });
}

void default_lifecycle(json::object& lifecycle) {
  for (auto hook : {"postStart", "preStop"})
    with_object(lifecycle, hook,
                [](json::object& handler) { with_object(handler, "httpGet", default_http_get); });
}

void default_field_ref(json::object& holder) {
  with_object(holder, "fieldRef", [](json::object& ref) { set_default(ref, "apiVersion", "v1"); });
  with_object(holder, "resourceFieldRef", [](json::object& ref) { set_default(ref, "divisor", "0"); });
}

void default_container(json::object& container) {
  set_default(container, "imagePullPolicy", json::value(default_pull_policy(text_at(container, "image"))));
  set_default(container, "terminationMessagePath", "/dev/termination-log");
  set_default(container, "terminationMessagePolicy", "File");
  default_resources(make_object(container, "resources"));
  for_each_object(container, "ports", [](json::object& port) { set_default(port, "protocol", "TCP"); });
  for_each_object(container, "env",
                  [](json::object& env) { with_object(env, "valueFrom", default_field_ref); });
  for (auto kind : {"livenessProbe", "readinessProbe", "startupProbe"})
    with_object(container, kind, default_probe);
  with_object(container, "lifecycle", default_lifecycle);
}

void default_downward_items(json::object& source) {
  for_each_object(source, "items", default_field_ref);
}

void default_projected(json::object& source) {
  set_default(source, "defaultMode", default_file_mode);
  for_each_object(source, "sources", [](json::object& projection) {
    with_object(projection, "downwardAPI", default_downward_items);
    with_object(projection, "serviceAccountToken",
                [](json::object& token) { set_default_number(token, "expirationSeconds", 3600); });
  });
}

struct volume_row {
  std::string_view source;
  object_defaults apply;
};

void default_mode(json::object& source) {
  set_default(source, "defaultMode", default_file_mode);
}

constexpr std::array volume_rows{
    volume_row{"secret", default_mode},
    volume_row{"configMap", default_mode},
    volume_row{"downwardAPI",
               [](json::object& source) {
                 default_mode(source);
                 default_downward_items(source);
               }},
    volume_row{"projected", default_projected},
    volume_row{"hostPath", [](json::object& source) { set_default(source, "type", ""); }},
    volume_row{"iscsi", [](json::object& source) { set_default(source, "iscsiInterface", "default"); }},
    volume_row{"image",
               [](json::object& source) {
                 set_default(source, "pullPolicy",
                             json::value(default_pull_policy(text_at(source, "reference"))));
               }},
};

void default_volume(json::object& volume) {
  bool has_source = false;
  for (const auto& [key, value] : volume)
    has_source |= key != "name" && value.is_object();
  if (!has_source) volume["emptyDir"] = json::object{};
  for (const auto& row : volume_rows)
    with_object(volume, row.source, row.apply);
}

/// With the host's network a container's port is the host's port.
void default_host_ports(json::object& container) {
  for_each_object(container, "ports", [](json::object& port) {
    if (auto number = int_at(port, "containerPort"); number != 0)
      set_default_number(port, "hostPort", number);
  });
}

bool tolerates(const json::object& spec, std::string_view taint) {
  for (const auto& toleration : list_at(spec, "tolerations")) {
    auto key = text_at(toleration, "key");
    auto effect = text_at(toleration, "effect");
    if ((key.empty() || key == taint) && (effect.empty() || effect == "NoExecute")) return true;
  }
  return false;
}

void add_default_tolerations(json::object& spec) {
  for (std::string_view taint : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    if (tolerates(spec, taint)) continue;
    auto& slot = spec["tolerations"];
    if (!slot.is_array()) slot = json::array{};
    slot.get_array().push_back({{"key", taint},
                                {"operator", "Exists"},
                                {"effect", "NoExecute"},
                                {"tolerationSeconds", toleration_seconds}});
  }
}

/// serviceAccount is the old name of serviceAccountName; both are served.
void default_service_account(json::object& spec) {
  if (auto old = std::string{text_at(spec, "serviceAccount")}; !old.empty())
    set_default(spec, "serviceAccountName", json::value(old));
  set_default(spec, "serviceAccountName", "default");
  auto name = spec["serviceAccountName"];
  spec["serviceAccount"] = std::move(name);
}

void default_priority(json::object& spec) {
  if (auto priority = priority_of_class(text_at(spec, "priorityClassName")))
    spec.emplace("priority", *priority);
  set_default(spec, "preemptionPolicy", "PreemptLowerPriority");
}

} // namespace

std::string_view default_pull_policy(std::string_view image) {
  if (image.empty() || image.find('@') != std::string_view::npos) return "IfNotPresent";
  auto name = image.substr(image.rfind('/') + 1);
  auto colon = name.find(':');
  return colon == std::string_view::npos || name.substr(colon + 1) == "latest" ? "Always" : "IfNotPresent";
}

std::optional<int32_t> priority_of_class(std::string_view name) {
  if (name.empty()) return 0;
  if (name == "system-cluster-critical") return 2'000'000'000;
  if (name == "system-node-critical") return 2'000'001'000;
  return std::nullopt;
}

std::string refused_priority(const json::value& pod) {
  const auto* spec = object_at(pod, "spec");
  if (spec == nullptr) return {};
  auto name = text_at(*spec, "priorityClassName");
  auto priority = priority_of_class(name);
  if (!priority) return "no PriorityClass with name " + std::string{name} + " was found";
  if (!has(*spec, "priority") || int_at(*spec, "priority") == *priority) return {};
  return "the integer value of priority (" + std::to_string(int_at(*spec, "priority"))
         + ") must not be provided in pod spec; priority admission controller computed "
         + std::to_string(*priority) + " from the given PriorityClass name";
}

void default_pod_spec(json::object& spec) {
  set_default(spec, "dnsPolicy", "ClusterFirst");
  set_default(spec, "restartPolicy", "Always");
  set_default(spec, "terminationGracePeriodSeconds", 30);
  set_default(spec, "schedulerName", "default-scheduler");
  set_default(spec, "enableServiceLinks", true);
  make_object(spec, "securityContext");
  bool host_network = bool_at(spec, "hostNetwork");
  for (auto list : {"initContainers", "containers", "ephemeralContainers"})
    for_each_object(spec, list, [&](json::object& container) {
      default_container(container);
      if (host_network) default_host_ports(container);
    });
  with_object(spec, "resources", default_resources);
  for_each_object(spec, "volumes", default_volume);
}

void default_pod(json::value& pod) {
  auto* object = pod.if_object();
  if (object == nullptr) return;
  auto& spec = make_object(*object, "spec");
  default_pod_spec(spec);
  default_service_account(spec);
  default_priority(spec);
  add_default_tolerations(spec);
}

void init_pod_status(json::value& pod) {
  auto* object = pod.if_object();
  if (object == nullptr) return;
  auto qos = qos_class(make_object(*object, "spec"));
  (*object)["status"] = {{"phase", "Pending"}, {"qosClass", qos}};
}

void default_node(json::value& node) {
  auto* object = node.if_object();
  if (object == nullptr) return;
  with_object(*object, "status", [](json::object& status) {
    const auto* capacity = object_at(status, "capacity");
    if (capacity == nullptr) return;
    auto copy = *capacity;
    auto& allocatable = make_object(status, "allocatable");
    if (allocatable.empty()) allocatable = std::move(copy);
  });
  with_object(*object, "spec", [](json::object& spec) {
    const auto& cidrs = list_at(spec, "podCIDRs");
    if (!cidrs.empty()) {
      auto first = cidrs.front();
      set_default(spec, "podCIDR", std::move(first));
    } else if (auto cidr = std::string{text_at(spec, "podCIDR")}; !cidr.empty()) {
      spec["podCIDRs"] = json::array{json::value(cidr)};
    }
  });
}

void default_namespace(json::value& ns) {
  auto* object = ns.if_object();
  if (object == nullptr) return;
  auto& metadata = make_object(*object, "metadata");
  if (auto name = std::string{text_at(metadata, "name")}; !name.empty())
    make_object(metadata, "labels")["kubernetes.io/metadata.name"] = name;
  auto& spec = make_object(*object, "spec");
  if (!has(spec, "finalizers")) spec["finalizers"] = json::array{"kubernetes"};
  set_default(make_object(*object, "status"), "phase", "Active");
}

std::string qos_class(const json::object& spec) {
  using amounts = std::map<std::string, quantity>;
  amounts requests, limits;
  bool all_limited = true;
  auto add = [](amounts& sums, const json::object& resources, std::string_view key) {
    size_t found = 0;
    const auto* map = object_at(resources, key);
    if (map == nullptr) return found;
    for (const auto& [name, text] : *map) {
      if ((name != "cpu" && name != "memory") || !text.is_string()) continue;
      auto amount = quantity::parse(text.get_string());
      if (!amount || amount->sign() <= 0) continue;
      sums[std::string{name}] += *amount;
      ++found;
    }
    return found;
  };
  static const json::object none;
  auto take = [&](const json::object& holder) {
    const auto* resources = object_at(holder, "resources");
    if (resources == nullptr) resources = &none;
    add(requests, *resources, "requests");
    if (add(limits, *resources, "limits") != 2) all_limited = false;
  };
  const auto* whole = object_at(spec, "resources");
  if (whole != nullptr && !whole->empty()) {
    take(spec);
  } else {
    for (auto list : {"containers", "initContainers"})
      for (const auto& container : list_at(spec, list))
        if (const auto* object = container.if_object()) take(*object);
  }
  if (requests.empty() && limits.empty()) return "BestEffort";
  for (const auto& [name, amount] : requests)
    if (auto it = limits.find(name); it == limits.end() || it->second != amount) all_limited = false;
  return all_limited && requests.size() == limits.size() ? "Guaranteed" : "Burstable";
}

void apply_defaults(const group_version_kind& gvk, json::value& object) {
  if (gvk.group.empty() && gvk.kind == "Pod")
    default_pod(object);
  else if (gvk.group.empty() && gvk.kind == "Node")
    default_node(object);
  else if (gvk.group.empty() && gvk.kind == "Namespace")
    default_namespace(object);
  else
    default_other_kinds(gvk, object);
}

} // namespace podium::config
