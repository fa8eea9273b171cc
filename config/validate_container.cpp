// Validation of containers: names, images, ports, environment, mounts, probes, hooks, resources.
#include "config/document.hpp"
#include "config/json_access.hpp"
#include "config/validate.hpp"
#include "core/quantity.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <set>

namespace podium::config {
namespace {

void choice(const json::object& in, std::string_view field, const std::string& path, bool is_required,
            const std::vector<std::string_view>& supported, field_causes& out) {
  auto value = text_at(in, field);
  if (value.empty()) {
    if (is_required) out.required(join_path(path, field));
  } else if (std::find(supported.begin(), supported.end(), value) == supported.end()) {
    out.not_supported(join_path(path, field), value, supported);
  }
}

void not_negative(const json::object& in, std::string_view field, const std::string& path,
                  field_causes& out) {
  if (auto number = int_at(in, field); number < 0)
    out.invalid(join_path(path, field), number, "must be greater than or equal to 0");
}

void validate_ports(const json::array& ports, const std::string& path, field_causes& out) {
  std::set<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const auto* port = ports[i].if_object();
    if (port == nullptr) continue;
    auto here = join_path(path, i);
    if (auto name = text_at(*port, "name"); !name.empty()) {
      auto problems = check_port_name(name);
      out.invalid(join_path(here, "name"), json::value(name), problems);
      if (problems.empty() && !names.insert(std::string{name}).second)
        out.duplicate(join_path(here, "name"), json::value(name));
    }
    auto number = int_at(*port, "containerPort");
    if (number == 0)
      out.required(join_path(here, "containerPort"));
    else
      out.invalid(join_path(here, "containerPort"), number, check_port_number(number));
    if (auto host = int_at(*port, "hostPort"); host != 0)
      out.invalid(join_path(here, "hostPort"), host, check_port_number(host));
    if (auto ip = text_at(*port, "hostIP"); !ip.empty())
      out.invalid(join_path(here, "hostIP"), json::value(ip), check_ip(ip));
    choice(*port, "protocol", here, true, {"SCTP", "TCP", "UDP"}, out);
  }
}

constexpr std::array env_sources{std::string_view{"fieldRef"}, std::string_view{"resourceFieldRef"},
                                 std::string_view{"configMapKeyRef"}, std::string_view{"secretKeyRef"},
                                 std::string_view{"fileKeyRef"}};

const std::vector<std::string_view> env_field_paths{
    "metadata.annotations", "metadata.labels",         "metadata.name", "metadata.namespace", "metadata.uid",
    "spec.nodeName",        "spec.serviceAccountName", "status.hostIP", "status.hostIPs",     "status.podIP",
    "status.podIPs"};

void validate_field_ref(const json::object& ref, const std::string& path, field_causes& out) {
  auto field = text_at(ref, "fieldPath");
  if (field.empty()) return out.required(join_path(path, "fieldPath"));
  auto base = field.substr(0, field.find('['));
  bool with_key = field.size() > base.size() && field.ends_with("']")
                  && (base == "metadata.annotations" || base == "metadata.labels");
  bool plain = field == base && base != "metadata.annotations" && base != "metadata.labels";
  bool known = std::find(env_field_paths.begin(), env_field_paths.end(), base) != env_field_paths.end();
  if (!known || (!with_key && !plain))
    out.not_supported(join_path(path, "fieldPath"), field, env_field_paths);
}

void validate_env_source(const json::object& env, const std::string& path, field_causes& out) {
  const auto* source = object_at(env, "valueFrom");
  if (source == nullptr) return;
  auto here = join_path(path, "valueFrom");
  size_t found = 0;
  for (auto key : env_sources)
    found += has(*source, key) ? 1 : 0;
  if (found == 0)
    out.invalid(here, "",
                "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
                "`fileKeyRef`");
  else if (!text_at(env, "value").empty())
    out.invalid(here, "", "may not be specified when `value` is not empty");
  else if (found > 1)
    out.invalid(here, "", "may not have more than one field specified at a time");
  if (const auto* ref = object_at(*source, "fieldRef"))
    validate_field_ref(*ref, join_path(here, "fieldRef"), out);
  for (auto key : {"configMapKeyRef", "secretKeyRef"})
    if (const auto* ref = object_at(*source, key)) {
      auto ref_path = join_path(here, key);
      if (text_at(*ref, "name").empty()) out.required(join_path(ref_path, "name"));
      if (text_at(*ref, "key").empty()) out.required(join_path(ref_path, "key"));
    }
}

void validate_env(const json::object& container, const std::string& path, field_causes& out) {
  const auto& list = list_at(container, "env");
  for (size_t i = 0; i < list.size(); ++i) {
    const auto* env = list[i].if_object();
    if (env == nullptr) continue;
    auto here = join_path(join_path(path, "env"), i);
    auto name = text_at(*env, "name");
    if (name.empty())
      out.required(join_path(here, "name"));
    else
      out.invalid(join_path(here, "name"), json::value(name), check_env_name(name));
    validate_env_source(*env, here, out);
  }
  const auto& sources = list_at(container, "envFrom");
  for (size_t i = 0; i < sources.size(); ++i) {
    auto here = join_path(join_path(path, "envFrom"), i);
    if (auto prefix = text_at(sources[i], "prefix"); !prefix.empty())
      out.invalid(join_path(here, "prefix"), json::value(prefix), check_env_name(prefix));
    size_t found = 0;
    for (auto key : {"configMapRef", "secretRef"}) {
      const auto* ref = object_at(sources[i], key);
      if (ref == nullptr) continue;
      ++found;
      if (text_at(*ref, "name").empty()) out.required(join_path(join_path(here, key), "name"));
    }
    if (found == 0)
      out.invalid(here, "", "must specify one of: `configMapRef` or `secretRef`");
    else if (found > 1)
      out.invalid(here, "", "may not have more than one field specified at a time");
  }
}

void validate_mounts(const json::object& container, const std::string& path, const json::object& pod_spec,
                     field_causes& out) {
  std::set<std::string> volumes, paths;
  for (const auto& volume : list_at(pod_spec, "volumes"))
    volumes.insert(std::string{text_at(volume, "name")});
  const auto& mounts = list_at(container, "volumeMounts");
  for (size_t i = 0; i < mounts.size(); ++i) {
    const auto* mount = mounts[i].if_object();
    if (mount == nullptr) continue;
    auto here = join_path(join_path(path, "volumeMounts"), i);
    auto name = text_at(*mount, "name");
    if (name.empty())
      out.required(join_path(here, "name"));
    else if (!volumes.contains(std::string{name}))
      out.not_found(join_path(here, "name"), name);
    auto target = text_at(*mount, "mountPath");
    if (target.empty())
      out.required(join_path(here, "mountPath"));
    else if (!paths.insert(std::string{target}).second)
      out.invalid(join_path(here, "mountPath"), json::value(target), "must be unique");
    for (auto key : {"subPath", "subPathExpr"})
      if (auto sub = text_at(*mount, key); !sub.empty())
        out.invalid(join_path(here, key), json::value(sub), check_relative_path(sub));
    if (!text_at(*mount, "subPath").empty() && !text_at(*mount, "subPathExpr").empty())
      out.invalid(join_path(here, "subPathExpr"), json::value(text_at(*mount, "subPathExpr")),
                  "subPathExpr and subPath are mutually exclusive");
    choice(*mount, "mountPropagation", here, false, {"Bidirectional", "HostToContainer", "None"}, out);
  }
}

void validate_security(const json::object& container, const std::string& path, field_causes& out) {
  const auto* context = object_at(container, "securityContext");
  if (context == nullptr) return;
  auto here = join_path(path, "securityContext");
  for (auto key : {"runAsUser", "runAsGroup"})
    if (auto id = int_at(*context, key); id < 0 || id > std::numeric_limits<int32_t>::max())
      out.invalid(join_path(here, key), id, "must be between 0 and 2147483647, inclusive");
  if (has(*context, "allowPrivilegeEscalation") && !bool_at(*context, "allowPrivilegeEscalation")
      && bool_at(*context, "privileged"))
    out.invalid(here, *context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
}

struct probe_row {
  std::string_view name;
  bool single_success; ///< successThreshold must be 1
};

constexpr std::array probe_rows{probe_row{"livenessProbe", true}, probe_row{"readinessProbe", false},
                                probe_row{"startupProbe", true}};

void validate_probes(const json::object& container, const std::string& path, field_causes& out) {
  for (const auto& row : probe_rows) {
    const auto* probe = object_at(container, row.name);
    if (probe == nullptr) continue;
    auto here = join_path(path, row.name);
    validate_probe(*probe, here, out);
    auto threshold = int_at(*probe, "successThreshold", 1);
    if (row.single_success && threshold != 1)
      out.invalid(join_path(here, "successThreshold"), threshold, "must be 1");
    if (!row.single_success && has(*probe, "terminationGracePeriodSeconds"))
      out.invalid(join_path(here, "terminationGracePeriodSeconds"),
                  int_at(*probe, "terminationGracePeriodSeconds"), "must not be set for readinessProbes");
  }
}

void validate_lifecycle(const json::object& container, const std::string& path, field_causes& out) {
  const auto* lifecycle = object_at(container, "lifecycle");
  if (lifecycle == nullptr) return;
  for (auto hook : {"postStart", "preStop"})
    if (const auto* handler = object_at(*lifecycle, hook))
      validate_handler(*handler, join_path(join_path(path, "lifecycle"), hook), false, out);
}

} // namespace

void validate_container(const json::object& container, const std::string& path, std::string_view kind,
                        const json::object& pod_spec, field_causes& out) {
  auto name = text_at(container, "name");
  if (name.empty())
    out.required(join_path(path, "name"));
  else
    out.invalid(join_path(path, "name"), json::value(name), check_dns_label(name));
  auto image = text_at(container, "image");
  if (image.empty())
    out.required(join_path(path, "image"));
  else if (image.find_first_not_of(" \t\r\n") != 0
           || std::string_view{" \t\r\n"}.find(image.back()) != std::string_view::npos)
    out.invalid(join_path(path, "image"), json::value(image), "must not have leading or trailing whitespace");
  choice(container, "terminationMessagePolicy", path, true, {"File", "FallbackToLogsOnError"}, out);
  choice(container, "imagePullPolicy", path, true, {"Always", "IfNotPresent", "Never"}, out);
  validate_ports(list_at(container, "ports"), join_path(path, "ports"), out);
  validate_env(container, path, out);
  validate_mounts(container, path, pod_spec, out);
  if (const auto* resources = object_at(container, "resources"))
    validate_resources(*resources, join_path(path, "resources"), out);
  validate_security(container, path, out);
  bool is_sidecar = text_at(container, "restartPolicy") == "Always";
  if (kind == "initContainers" && !is_sidecar) {
    for (auto key : {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"})
      if (has(container, key))
        out.forbidden(join_path(path, key),
                      "may not be set for init containers without restartPolicy=Always");
  } else {
    validate_probes(container, path, out);
    validate_lifecycle(container, path, out);
  }
  choice(container, "restartPolicy", path, false, {"Always", "Never", "OnFailure"}, out);
}

void validate_probe(const json::object& probe, const std::string& path, field_causes& out) {
  validate_handler(probe, path, true, out);
  for (auto key :
       {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"})
    not_negative(probe, key, path, out);
  if (has(probe, "terminationGracePeriodSeconds") && int_at(probe, "terminationGracePeriodSeconds") <= 0)
    out.invalid(join_path(path, "terminationGracePeriodSeconds"),
                int_at(probe, "terminationGracePeriodSeconds"), "must be greater than 0");
}

namespace {

void validate_port_or_name(const json::object& action, const std::string& path, field_causes& out) {
  const auto* port = member(action, "port");
  if (port != nullptr && port->is_string())
    out.invalid(join_path(path, "port"), *port, check_port_name(port->get_string()));
  else
    out.invalid(join_path(path, "port"), int_at(action, "port"), check_port_number(int_at(action, "port")));
}

void validate_action(std::string_view kind, const json::object& action, const std::string& path,
                     field_causes& out) {
  if (kind == "exec") {
    if (list_at(action, "command").empty()) out.required(join_path(path, "command"));
  } else if (kind == "httpGet") {
    if (text_at(action, "path").empty()) out.required(join_path(path, "path"));
    validate_port_or_name(action, path, out);
    choice(action, "scheme", path, true, {"HTTP", "HTTPS"}, out);
    const auto& headers = list_at(action, "httpHeaders");
    for (size_t i = 0; i < headers.size(); ++i) {
      auto name = text_at(headers[i], "name");
      out.invalid(join_path(join_path(path, "httpHeaders"), i), json::value(name), check_header_name(name));
    }
  } else if (kind == "tcpSocket" || kind == "grpc") {
    validate_port_or_name(action, path, out);
  } else if (kind == "sleep") {
    if (auto seconds = int_at(action, "seconds"); seconds < 0)
      out.invalid(join_path(path, "seconds"), seconds, "must be greater than or equal to 0");
  }
}

} // namespace

void validate_handler(const json::object& handler, const std::string& path, bool is_probe,
                      field_causes& out) {
  size_t found = 0;
  for (std::string_view kind : {"exec", "httpGet", "tcpSocket", "grpc", "sleep"}) {
    const auto* action = object_at(handler, kind);
    if (action == nullptr || (kind == (is_probe ? "sleep" : "grpc"))) continue;
    auto here = join_path(path, kind);
    if (++found > 1)
      out.forbidden(here, "may not specify more than 1 handler type");
    else
      validate_action(kind, *action, here, out);
  }
  if (found == 0) out.required(path, "must specify a handler type");
}

} // namespace podium::config
