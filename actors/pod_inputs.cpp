// What a spec refers to, and the fields and resources of the pod itself that it asks for.
#include "actors/pod_inputs.hpp"

#include "actors/pod_resources.hpp"
#include "core/error.hpp"
#include "core/quantity.hpp"

#include <algorithm>

namespace podium {
namespace {

struct key_collector {
  const std::string& ns;
  std::set<object_key> keys;

  void add(const char* resource, const std::string& name) {
    if (!name.empty()) keys.insert({resource, ns, name});
  }
  void add_container(const container_spec& c) {
    for (auto& from : c.env_from) {
      if (from.config_map_ref) add("configmaps", from.config_map_ref->name);
      if (from.secret_ref) add("secrets", from.secret_ref->name);
    }
    for (auto& e : c.env) {
      if (!e.value_from) continue;
      if (e.value_from->config_map_key_ref) add("configmaps", e.value_from->config_map_key_ref->name);
      if (e.value_from->secret_key_ref) add("secrets", e.value_from->secret_key_ref->name);
    }
  }
  void add_volume(const volume& v) {
    if (v.config_map) add("configmaps", v.config_map->name);
    if (v.secret) add("secrets", v.secret->secret_name);
    if (v.persistent_volume_claim) add("persistentvolumeclaims", v.persistent_volume_claim->claim_name);
    if (!v.projected) return;
    for (auto& source : v.projected->sources) {
      if (source.config_map) add("configmaps", source.config_map->name);
      if (source.secret) add("secrets", source.secret->name);
    }
  }
};

/// `app` of `metadata.labels['app']` when `path` begins with `field`.
std::optional<std::string> subscript_of(const std::string& path, const std::string& field) {
  auto begin = field + "['";
  if (!path.starts_with(begin) || !path.ends_with("']") || path.size() < begin.size() + 2)
    return std::nullopt;
  return path.substr(begin.size(), path.size() - begin.size() - 2);
}

/// Source: Go's %q as far as labels and annotations need it.
std::string quoted(const std::string& text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out = "\"";
  for (unsigned char c : text) {
    switch (c) {
    case '"':
    case '\\':
      out += {'\\', static_cast<char>(c)};
      break;
    case '\n':
      out += "\\n";
      break;
    case '\t':
      out += "\\t";
      break;
    case '\r':
      out += "\\r";
      break;
    default:
      if (c < 0x20 || c == 0x7f)
        out += {'\\', 'x', digits[c >> 4], digits[c & 15]};
      else
        out += static_cast<char>(c);
    }
  }
  return out + "\"";
}

std::string map_text(const std::map<std::string, std::string>& map) {
  std::string out;
  for (auto& [key, value] : map)
    out += (out.empty() ? "" : "\n") + key + "=" + quoted(value);
  return out;
}

/// Divided and rounded up; a divisor that is not positive is 1.
std::string divided(int64_t amount, int64_t divisor) {
  if (divisor <= 0) divisor = 1;
  return std::to_string(amount / divisor + (amount % divisor > 0 ? 1 : 0));
}

} // namespace

std::vector<object_key> references_of(const object& ref, const pod_inputs* known) {
  auto& spec = ref.as_pod().spec;
  key_collector collector{ref.key().ns, {}};
  for (auto* list : {&spec.init_containers, &spec.containers, &spec.ephemeral_containers})
    for (auto& c : *list)
      collector.add_container(c);
  for (auto& v : spec.volumes)
    collector.add_volume(v);
  for (auto& s : spec.image_pull_secrets)
    collector.add("secrets", s.name);
  collector.add("serviceaccounts", spec.service_account_name);
  if (known)
    for (auto& [key, object] : known->objects) {
      if (!collector.keys.contains(key)) continue;
      if (key.resource == "serviceaccounts")
        for (auto& s : object->as_service_account().image_pull_secrets)
          collector.add("secrets", s.name);
      if (key.resource != "persistentvolumeclaims") continue;
      auto& claim = object->as_persistent_volume_claim();
      if (!claim.spec.volume_name.empty())
        collector.keys.insert({"persistentvolumes", "", claim.spec.volume_name});
    }
  return {collector.keys.begin(), collector.keys.end()};
}

std::optional<std::string> field_value_of(const input_facts& facts, const std::string& path) {
  auto& p = facts.ref->as_pod();
  auto& meta = p.metadata;
  auto one_of = [](const std::map<std::string, std::string>& map, const std::string& key) {
    auto i = map.find(key);
    return i == map.end() ? std::string{} : i->second;
  };
  if (auto key = subscript_of(path, "metadata.labels")) return one_of(meta.labels, *key);
  if (auto key = subscript_of(path, "metadata.annotations")) return one_of(meta.annotations, *key);
  if (path == "metadata.name") return facts.ref->key().name;
  if (path == "metadata.namespace") return facts.ref->key().ns;
  if (path == "metadata.uid") return facts.ref->uid();
  if (path == "metadata.labels") return map_text(meta.labels);
  if (path == "metadata.annotations") return map_text(meta.annotations);
  if (path == "spec.nodeName") return p.spec.node_name;
  if (path == "spec.serviceAccountName") return p.spec.service_account_name;
  if (path == "status.hostIP" || path == "status.hostIPs") return facts.host_ip;
  if (path == "status.podIP" || path == "status.podIPs") return facts.pod_ip;
  return std::nullopt;
}

caf::expected<std::string> resource_value_of(const input_facts& facts, const resource_field_selector& of,
                                             const std::string& container) {
  auto& spec = facts.ref->as_pod().spec;
  auto& name = of.container_name.empty() ? container : of.container_name;
  const container_spec* found = nullptr;
  for (auto* list : {&spec.init_containers, &spec.containers})
    for (auto& c : *list)
      if (c.name == name) found = &c;
  if (!found) return make_error(errc::container_config, "container " + name + " not found");
  auto dot = of.resource.find('.');
  auto kind = of.resource.substr(0, dot);
  auto resource = dot == std::string::npos ? std::string{} : of.resource.substr(dot + 1);
  if (resource.empty() || (kind != "limits" && kind != "requests"))
    return make_error(errc::container_config, "unsupported container resource : " + of.resource);
  auto divisor = quantity::of(1);
  if (auto q = quantity::parse(of.divisor); q && !q->is_zero()) divisor = *q;
  auto amount = amount_of(kind == "limits" ? found->resources.limits : found->resources.requests, resource);
  // Source: a container without a limit may take all that the node has to give.
  if (kind == "limits" && amount == 0) amount = amount_of(facts.allocatable, resource);
  return divided(amount, resource == "cpu" ? divisor.milli_value() : divisor.value());
}

std::string size_eviction_of(const pod_spec& spec, const volume_usage& usage) {
  for (auto& v : spec.volumes) {
    auto used = usage.used_bytes.find(v.name);
    if (!v.empty_dir || !v.empty_dir->size_limit || used == usage.used_bytes.end()) continue;
    auto limit = quantity::parse(*v.empty_dir->size_limit);
    if (limit && limit->sign() > 0 && used->second > limit->value())
      return "Usage of EmptyDir volume \"" + v.name + "\" exceeds the limit \"" + limit->to_string() + "\". ";
  }
  return {};
}

} // namespace podium
