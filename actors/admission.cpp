#include "actors/admission.hpp"

#include "core/saturating.hpp"

#include <algorithm>
#include <array>

namespace podium {
namespace {

namespace json = boost::json;

const json::value* field(const json::value& v, std::string_view name) {
  auto* o = v.if_object();
  auto* f = o ? o->if_contains(name) : nullptr;
  return f && !f->is_null() ? f : nullptr;
}

bool given(const json::value* v) {
  return v && !(v->is_array() && v->get_array().empty()) && !(v->is_bool() && !v->get_bool());
}

admission_fault unsupported(const std::string& path) {
  return {"UnsupportedPodSpec", "Pod was rejected: podium does not serve " + path + " yet"};
}

/// Source: the kubelet's appArmorAdmitHandler. Without a profile, or unconfined, nothing is asked for.
admission_fault app_armor(const json::value& holder) {
  auto* context = field(holder, "securityContext");
  auto* profile = context ? field(*context, "appArmorProfile") : nullptr;
  auto* type = profile ? field(*profile, "type") : nullptr;
  if (!type || *type == json::value("Unconfined")) return {};
  return {"AppArmor", "Cannot enforce AppArmor: podium does not serve it"};
}

/// The older way to ask for a profile. Source: Kubernetes copies these annotations into the field above.
admission_fault app_armor_annotation(const json::value& pod) {
  static constexpr std::string_view prefix = "container.apparmor.security.beta.kubernetes.io/";
  auto* meta = field(pod, "metadata");
  auto* notes = meta ? field(*meta, "annotations") : nullptr;
  if (!notes || !notes->is_object()) return {};
  for (auto& [key, value] : notes->get_object())
    if (std::string_view{key}.starts_with(prefix) && value != json::value("unconfined"))
      return {"AppArmor", "Cannot enforce AppArmor: podium does not serve it"};
  return {};
}

admission_fault unsupported_in(const json::value& container, const std::string& path) {
  if (auto fault = app_armor(container)) return fault;
  if (given(field(container, "volumeDevices"))) return unsupported(path + ".volumeDevices");
  if (auto* env = field(container, "env"); env && env->is_array())
    for (auto& variable : env->get_array())
      if (auto* from = field(variable, "valueFrom"); from && given(field(*from, "fileKeyRef")))
        return unsupported(path + ".env.valueFrom.fileKeyRef");
  return {};
}

/// Of volumes, every source that is not named here is another system's.
admission_fault unsupported_volume(const json::value& volume, const std::string& path) {
  static constexpr std::array served{"name",   "emptyDir",    "hostPath",  "configMap",
                                     "secret", "downwardAPI", "projected", "persistentVolumeClaim"};
  auto* fields = volume.if_object();
  if (!fields) return {};
  if (auto* empty = field(volume, "emptyDir"))
    if (auto* medium = field(*empty, "medium");
        medium && medium->is_string() && medium->get_string().starts_with("HugePages"))
      return unsupported(path + ".emptyDir.medium " + std::string(medium->get_string()));
  if (auto* projected = field(volume, "projected"))
    if (auto* sources = field(*projected, "sources"); sources && sources->is_array())
      for (auto& source : sources->get_array())
        for (auto* name : {"clusterTrustBundle", "podCertificate"})
          if (given(field(source, name))) return unsupported(path + ".projected.sources." + name);
  for (auto& [name, value] : *fields)
    if (!value.is_null() && std::find(served.begin(), served.end(), std::string_view{name}) == served.end())
      return unsupported(path + "." + std::string(name));
  return {};
}

/// What a pod demands of its place or its sandbox, and would not get.
admission_fault unsupported_constraint(const json::value& spec) {
  if (auto* os = field(spec, "os"); os && field(*os, "name") && *field(*os, "name") != json::value("linux"))
    return {"PodOSNotSupported",
            "Pod was rejected: Failed to admit pod as the OS field doesn't match node OS"};
  for (auto* name : {"runtimeClassName", "resourceClaims", "resources", "hostnameOverride"})
    if (given(field(spec, name))) return unsupported(std::string{"spec."} + name);
  if (auto* own = field(spec, "hostUsers"); own && own->is_bool() && !own->get_bool())
    return unsupported("spec.hostUsers: false");
  if (auto* affinity = field(spec, "affinity"))
    for (auto* kind : {"podAffinity", "podAntiAffinity"})
      if (auto* rules = field(*affinity, kind))
        if (given(field(*rules, "requiredDuringSchedulingIgnoredDuringExecution")))
          return unsupported(std::string{"spec.affinity."} + kind
                             + ".requiredDuringSchedulingIgnoredDuringExecution");
  auto* spread = field(spec, "topologySpreadConstraints");
  if (spread && spread->is_array())
    for (auto& c : spread->get_array())
      if (auto* what = field(c, "whenUnsatisfiable"); what && *what == json::value("DoNotSchedule"))
        return unsupported("spec.topologySpreadConstraints with DoNotSchedule");
  return {};
}

std::string shortage(const char* what, int64_t wanted, int64_t used, int64_t capacity) {
  if (wanted <= 0 || saturating_add(used, wanted) <= capacity) return {};
  return std::string{what} + ", requested: " + std::to_string(wanted) + ", used: " + std::to_string(used)
         + ", capacity: " + std::to_string(capacity);
}

} // namespace

admission_fault unsupported_feature(const json::value& document) {
  auto* spec = field(document, "spec");
  if (!spec) return {};
  if (auto fault = unsupported_constraint(*spec)) return fault;
  if (auto fault = app_armor(*spec)) return fault;
  if (auto fault = app_armor_annotation(document)) return fault;
  if (auto* volumes = field(*spec, "volumes"); volumes && volumes->is_array())
    for (size_t i = 0; i < volumes->get_array().size(); ++i)
      if (auto fault = unsupported_volume(volumes->get_array()[i], "spec.volumes[" + std::to_string(i) + "]"))
        return fault;
  for (std::string list : {"initContainers", "containers"}) {
    auto* containers = field(*spec, list);
    if (!containers || !containers->is_array()) continue;
    for (size_t i = 0; i < containers->get_array().size(); ++i)
      if (auto fault =
              unsupported_in(containers->get_array()[i], "spec." + list + "[" + std::to_string(i) + "]"))
        return fault;
  }
  return {};
}

admission_fault predicate_failure(placement::pod_wants wanted, const placement::node_state& node) {
  wanted.requests = {};
  wanted.volumes.clear();
  for (auto& why : placement::refusals(wanted, node)) {
    auto* reason = why.what == placement::refusal::kind::selector ? "NodeAffinity"
                   : why.what == placement::refusal::kind::ports  ? "NodePorts"
                                                                  : nullptr;
    if (reason)
      return {reason, std::string{"Pod was rejected: Predicate "} + reason + " failed: " + why.text()};
  }
  return {};
}

admission_fault resource_shortage(const pod_spec& wanted, const resource_amounts& used, int64_t pods_used,
                                  const quantity_map& allocatable, int64_t max_pods) {
  auto asked = pod_requests_of(wanted);
  auto text = shortage("cpu", asked.cpu_millicores, used.cpu_millicores, amount_of(allocatable, "cpu"));
  if (text.empty())
    text = shortage("memory", asked.memory_bytes, used.memory_bytes, amount_of(allocatable, "memory"));
  if (text.empty()) text = shortage("pods", 1, pods_used, max_pods);
  if (text.empty()) return {};
  return {"OutOf" + text.substr(0, text.find(',')),
          "Pod was rejected: Node didn't have enough resource: " + text};
}

} // namespace podium
