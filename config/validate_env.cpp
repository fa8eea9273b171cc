// Validation of environment variables and of references to fields and resources.
#include "config/judged.hpp"
#include "core/quantity.hpp"

namespace podium::config {
namespace {

const words env_fields{
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs"};

// Labels that the downward API can speak of at all, besides those with a subscript.
constexpr std::string_view convertible[] = {
    "metadata.annotations", "metadata.labels", "metadata.name",      "metadata.namespace",
    "metadata.uid",         "spec.nodeName",   "spec.restartPolicy", "spec.serviceAccountName",
    "spec.schedulerName",   "status.phase",    "status.hostIP",      "status.hostIPs",
    "status.podIP",         "status.podIPs",   "spec.host"};

const words resource_fields{"limits.cpu",   "limits.ephemeral-storage",   "limits.memory",
                            "requests.cpu", "requests.ephemeral-storage", "requests.memory"};

struct divisor_row {
  std::string_view suffix; ///< of the resource's field
  std::string_view name;   ///< in the message
  bool is_cpu;
};

constexpr divisor_row divisors[] = {{".cpu", "cpu", true},
                                    {".memory", "memory", false},
                                    {".ephemeral-storage", "local ephemeral storage", false}};

constexpr std::string_view byte_divisors[] = {"1",   "1k",  "1M",  "1G",  "1T",  "1P", "1E",
                                              "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"};

void validate_divisor(const judged& ref) {
  auto amount = quantity::parse(ref.text("divisor"));
  if (ref.text("divisor").empty() || !amount || amount->is_zero()) return;
  auto resource = ref.text("resource");
  auto text = amount->to_string();
  bool is_bytes =
      std::find(std::begin(byte_divisors), std::end(byte_divisors), text) != std::end(byte_divisors);
  auto refuse = [&](std::string_view values, std::string_view name) {
    ref.out().invalid(ref.at("divisor"), json::value(resource),
                      "only divisor's values " + std::string{values} + " are supported with the "
                          + std::string{name} + " resource");
  };
  constexpr auto bytes = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei";
  for (const auto& row : divisors)
    if (resource.ends_with(row.suffix)) {
      if (row.is_cpu ? text != "1" && text != "1m" : !is_bytes)
        refuse(row.is_cpu ? "1m and 1" : bytes, row.name);
      return;
    }
  if (resource.find(".hugepages-") != std::string_view::npos && !is_bytes) refuse(bytes, "hugepages");
}

void validate_key_ref(const judged& ref) {
  auto name = ref.text("name");
  ref.out().invalid(ref.at("name"), json::value(name), check_dns_subdomain(name));
  ref.needs_format("key", check_config_key);
}

struct source_row {
  std::string_view name;
  void (*judge)(const judged&);
};

constexpr source_row env_sources[] = {
    {"fieldRef", [](const judged& ref) { validate_field_ref(ref, env_fields); }},
    {"resourceFieldRef", [](const judged& ref) { validate_resource_field_ref(ref, false); }},
    {"configMapKeyRef", validate_key_ref},
    {"secretKeyRef", validate_key_ref},
    {"fileKeyRef",
     [](const judged& ref) {
       for (auto key : {"volumeName", "path", "key"})
         ref.needs(key);
     }},
};

void validate_value_from(const judged& env) {
  env.with("valueFrom", [&](const judged& source) {
    size_t found = 0;
    for (const auto& row : env_sources)
      source.with(row.name, [&](const judged& ref) {
        ++found;
        row.judge(ref);
      });
    auto refuse = [&](std::string_view text) { source.out().invalid(source.path(), "", text); };
    if (found == 0)
      refuse("must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`");
    else if (!env.text("value").empty())
      refuse("may not be specified when `value` is not empty");
    else if (found > 1)
      refuse("may not have more than one field specified at a time");
  });
}

} // namespace

void validate_field_ref(const judged& ref, const words& supported) {
  ref.needs("apiVersion");
  if (ref.text("apiVersion").empty()) return;
  ref.needs("fieldPath");
  auto field = ref.text("fieldPath");
  if (field.empty()) return;
  auto bracket = field.find("['");
  bool subscripted = bracket != std::string_view::npos && field.ends_with("']");
  auto base = subscripted ? field.substr(0, bracket) : field;
  bool is_map = base == "metadata.annotations" || base == "metadata.labels";
  bool known = std::find(std::begin(convertible), std::end(convertible), base) != std::end(convertible);
  auto refuse = [&](std::string_view why, std::string_view what) {
    ref.invalid("fieldPath", "error converting fieldPath: " + std::string{why} + ": " + std::string{what});
  };
  if (ref.text("apiVersion") != "v1") {
    refuse("unsupported pod version", ref.text("apiVersion"));
  } else if (subscripted && !is_map) {
    refuse("field label does not support subscript", field);
  } else if (!known) {
    refuse("field label not supported", field);
  } else if (subscripted) {
    auto key = std::string{field.substr(bracket + 2, field.size() - bracket - 4)};
    if (base == "metadata.annotations")
      std::transform(key.begin(), key.end(), key.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    ref.out().invalid(ref.path(), json::value(key), check_qualified_name(key));
  } else if (std::find(supported.begin(), supported.end(), base) == supported.end()) {
    ref.out().not_supported(ref.at("fieldPath"), base, supported);
  }
}

void validate_resource_field_ref(const judged& ref, bool needs_container) {
  auto resource = ref.text("resource");
  bool known = std::find(resource_fields.begin(), resource_fields.end(), resource) != resource_fields.end()
               || resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-");
  if (needs_container && ref.text("containerName").empty())
    ref.out().required(ref.at("containerName"));
  else if (resource.empty())
    ref.out().required(ref.at("resource"));
  else if (!known)
    ref.out().not_supported(ref.at("resource"), resource, resource_fields);
  validate_divisor(ref);
}

// Kubernetes gives the path of the whole list for an envFrom with no source or two.
void validate_env(const judged& container) {
  container.each("env", [](const judged& env, size_t) {
    env.needs_format("name", check_env_name);
    validate_value_from(env);
  });
  container.each("envFrom", [&](const judged& source, size_t) {
    source.format("prefix", check_env_name);
    size_t found = 0;
    for (auto key : {"configMapRef", "secretRef"})
      source.with(key, [&](const judged& ref) {
        ++found;
        ref.needs_format("name", check_dns_subdomain);
      });
    if (found == 0)
      container.out().invalid(container.at("envFrom"), "",
                              "must specify one of: `configMapRef` or `secretRef`");
    else if (found > 1)
      container.out().invalid(container.at("envFrom"), "",
                              "may not have more than one field specified at a time");
  });
}

} // namespace podium::config
