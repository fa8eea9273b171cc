// Validation of requests and limits: known names, 0 ≤ request ≤ limit, whole pieces, huge pages.
#include "config/judged.hpp"
#include "core/quantity.hpp"

namespace podium::config {
namespace {

bool is_huge_page(std::string_view name) {
  return name.starts_with("hugepages-");
}

bool is_container_resource(std::string_view name) {
  return name == "cpu" || name == "memory" || name == "ephemeral-storage" || is_huge_page(name);
}

// Names without a domain that mean something in Kubernetes, though not to a container.
constexpr std::string_view quota_resources[] = {"pods",
                                                "services",
                                                "replicationcontrollers",
                                                "resourcequotas",
                                                "secrets",
                                                "configmaps",
                                                "persistentvolumeclaims",
                                                "services.nodeports",
                                                "services.loadbalancers"};
constexpr std::string_view other_resources[] = {"storage",
                                                "requests.cpu",
                                                "requests.memory",
                                                "requests.storage",
                                                "limits.cpu",
                                                "limits.memory",
                                                "requests.ephemeral-storage",
                                                "limits.ephemeral-storage"};

template <size_t N>
bool is_one_of(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool is_native(std::string_view name) {
  return name.find('/') == std::string_view::npos || name.find("kubernetes.io/") != std::string_view::npos;
}

/// Names with a domain that is not Kubernetes' own: counted in whole pieces, never overcommitted.
bool is_extended(std::string_view name) {
  return !is_native(name) && !name.starts_with("requests.")
         && check_qualified_name("requests." + std::string{name}).empty();
}

bool may_overcommit(std::string_view name) {
  return is_native(name) && !is_huge_page(name);
}

void validate_name(std::string_view name, const std::string& path, field_causes& out) {
  json::value shown(name);
  auto problems = check_qualified_name(name);
  out.invalid(path, shown, problems);
  bool has_domain = name.find('/') != std::string_view::npos;
  if (!has_domain) {
    bool standard = is_container_resource(name) || is_one_of(quota_resources, name)
                    || is_one_of(other_resources, name) || name.starts_with("requests.hugepages-");
    if (problems.empty() && !standard)
      out.invalid(path, shown, "must be a standard resource type or fully qualified");
    if (!is_container_resource(name)) out.invalid(path, shown, "must be a standard resource for containers");
  } else if (!is_native(name) && !is_extended(name)) {
    out.invalid(path, shown, "doesn't follow extended resource name standard");
  }
}

std::optional<quantity> amount_of(const json::value& value) {
  if (!value.is_string()) return std::nullopt;
  auto parsed = quantity::parse(value.get_string());
  if (!parsed) return std::nullopt;
  return *parsed;
}

void validate_huge_pages(std::string_view name, const json::value& value, const std::string& path,
                         field_causes& out) {
  if (!is_huge_page(name)) return;
  auto amount = amount_of(value);
  auto page = quantity::parse(name.substr(std::string_view{"hugepages-"}.size()));
  if (!amount || !page || page->sign() <= 0) return;
  if (amount->nanos() % page->nanos() != 0)
    out.invalid(path, value,
                amount->to_string() + " is not positive integer multiple of " + std::string{name});
}

void validate_request(std::string_view name, const json::value& value, const judged& resources) {
  auto& out = resources.out();
  const auto* limits = object_at(resources.object(), "limits");
  const auto* limit_value = limits == nullptr ? nullptr : limits->if_contains(name);
  if (limit_value == nullptr) {
    if (!may_overcommit(name))
      out.required(resources.at("limits"), "Limit must be set for non overcommitable resources");
    return;
  }
  auto request = amount_of(value);
  auto limit = amount_of(*limit_value);
  if (!request || !limit) return;
  auto of_limit = std::string{name} + " limit of " + limit->to_string();
  if (*request != *limit && !may_overcommit(name))
    out.invalid(resources.at("requests"), value, "must be equal to " + of_limit);
  else if (*request > *limit)
    out.invalid(resources.at("requests"), value, "must be less than or equal to " + of_limit);
}

void validate_claims(const judged& resources, const pod_facts& facts) {
  std::set<std::string_view> seen;
  resources.each("claims", [&](const judged& claim, size_t) {
    auto name = claim.text("name");
    if (name.empty()) return claim.out().required(claim.path());
    if (!seen.insert(name).second) claim.out().duplicate(claim.path(), json::value(name));
    if (facts.claims.contains(name)) return;
    std::string detail = "must be one of the names in pod.spec.resourceClaims";
    if (facts.claims.empty()) detail += " which is empty";
    for (const auto& known : facts.claims)
      detail += (known == *facts.claims.begin() ? ": " : ", ") + known;
    claim.out().not_found(claim.path(), name, detail);
  });
}

} // namespace

void validate_quantity(std::string_view resource, const json::value& value, const std::string& path,
                       field_causes& out) {
  auto amount = amount_of(value);
  if (!amount) return out.invalid(path, value, "must be a quantity");
  if (amount->sign() < 0) out.invalid(path, value, "must be greater than or equal to 0");
  bool in_pieces = is_extended(resource) || is_one_of(quota_resources, resource);
  if (in_pieces && !amount->is_whole()) out.invalid_shown(path, amount->to_string(), "must be an integer");
}

void validate_resources(const judged& resources, const pod_facts* facts) {
  bool huge = false, plain = false;
  for (std::string_view key : {"limits", "requests"}) {
    const auto* amounts = object_at(resources.object(), key);
    if (amounts == nullptr) continue;
    for (const auto& [name, value] : *amounts) {
      auto here = resources.at(key) + "[" + std::string{name} + "]";
      validate_name(name, here, resources.out());
      validate_quantity(name, value, here, resources.out());
      if (key == "requests") validate_request(name, value, resources);
      validate_huge_pages(name, value, here, resources.out());
      huge |= is_huge_page(name);
      plain |= name == "cpu" || name == "memory";
    }
  }
  if (huge && !plain) resources.out().forbidden(resources.path(), "HugePages require cpu or memory");
  if (facts != nullptr) validate_claims(resources, *facts);
}

} // namespace podium::config
