// Validation of containers of the three kinds: names, images, ports, mounts, devices, policies.
#include "config/judged.hpp"

namespace podium::config {
namespace {

void validate_ports(const judged& container) {
  std::set<std::string_view> names;
  container.each("ports", [&](const judged& port, size_t) {
    if (auto name = port.text("name"); !name.empty()) {
      auto problems = check_port_name(name);
      port.out().invalid(port.at("name"), json::value(name), problems);
      if (problems.empty() && !names.insert(name).second)
        port.out().duplicate(port.at("name"), json::value(name));
    }
    auto number = port.number("containerPort");
    if (number == 0)
      port.out().required(port.at("containerPort"));
    else
      port.out().invalid(port.at("containerPort"), number, check_port_number(number));
    if (auto host = port.number("hostPort"); host != 0)
      port.out().invalid(port.at("hostPort"), host, check_port_number(host));
    port.format("hostIP", check_ip); // Kubernetes leaves it to its network plugin; here nobody would say so
    port.choice("protocol", {"SCTP", "TCP", "UDP"}, true);
  });
}

/// Host ports that are used at the same time must differ in protocol, address or number.
void validate_host_ports(const judged& container, std::set<std::string>& seen) {
  container.each("ports", [&](const judged& port, size_t) {
    auto host_port = port.number("hostPort");
    if (host_port == 0) return;
    auto id = std::string{port.text("protocol")} + "/" + std::string{port.text("hostIP")} + "/"
              + std::to_string(host_port);
    if (!seen.insert(id).second) port.out().duplicate(port.at("hostPort"), json::value(id));
  });
}

void validate_propagation(const judged& container, const judged& mount, const std::string& path) {
  auto mode = mount.text("mountPropagation");
  if (mode.empty()) return;
  const words modes{"Bidirectional", "HostToContainer", "None"};
  if (std::find(modes.begin(), modes.end(), mode) == modes.end())
    mount.out().not_supported(path, mode, modes);
  const auto* context = object_at(container.object(), "securityContext");
  if (mode == "Bidirectional" && (context == nullptr || !bool_at(*context, "privileged")))
    mount.out().forbidden(path, "Bidirectional mount propagation is available only to privileged containers");
}

void validate_recursive_read_only(const judged& mount) {
  auto mode = mount.text("recursiveReadOnly");
  if (mode.empty() || mode == "Disabled") return;
  if (mode != "Enabled" && mode != "IfPossible") {
    mount.choice("recursiveReadOnly", {"Disabled", "Enabled", "IfPossible"});
    return;
  }
  if (!mount.flag("readOnly"))
    mount.forbidden("recursiveReadOnly", "may only be specified when readOnly is true");
  if (auto propagation = mount.text("mountPropagation"); !propagation.empty() && propagation != "None")
    mount.forbidden("recursiveReadOnly",
                    "may only be specified when mountPropagation is None or not specified");
}

bool any_has(const json::array& list, std::string_view key, std::string_view value) {
  return std::any_of(list.begin(), list.end(), [&](auto& item) { return text_at(item, key) == value; });
}

// Kubernetes gives the paths of subPath, subPathExpr and mountPropagation without the mount's index.
void validate_mounts(const judged& container, const pod_facts& facts) {
  std::set<std::string_view> targets;
  const auto& devices = container.list("volumeDevices");
  auto list_path = container.at("volumeMounts");
  container.each("volumeMounts", [&](const judged& mount, size_t) {
    auto& out = mount.out();
    auto name = mount.text("name");
    mount.needs("name");
    if (!facts.volumes.contains(name)) out.not_found(mount.at("name"), name);
    mount.needs("mountPath");
    auto target = mount.text("mountPath");
    if (!targets.insert(target).second) mount.invalid("mountPath", "must be unique");
    if (any_has(devices, "name", name)) mount.invalid("name", "must not already exist in volumeDevices");
    if (any_has(devices, "devicePath", target) && !target.empty())
      mount.invalid("mountPath", "must not already exist as a path in volumeDevices");
    for (auto key : {"subPath", "subPathExpr"}) {
      auto sub = mount.text(key);
      if (sub.empty()) continue;
      if (std::string_view{key} == "subPathExpr" && !mount.text("subPath").empty())
        mount.invalid(key, "subPathExpr and subPath are mutually exclusive");
      out.invalid(join_path(list_path, key), json::value(sub), check_relative_path(sub));
    }
    validate_propagation(container, mount, join_path(list_path, "mountPropagation"));
    validate_recursive_read_only(mount);
  });
}

void validate_devices(const judged& container, const pod_facts& facts) {
  std::set<std::string_view> names, paths;
  const auto& mounts = container.list("volumeMounts");
  container.each("volumeDevices", [&](const judged& device, size_t) {
    auto name = device.text("name");
    auto path = device.text("devicePath");
    device.needs("name");
    if (!name.empty() && !names.insert(name).second) device.invalid("name", "must be unique");
    auto volume = facts.volumes.find(name);
    if (volume == facts.volumes.end())
      device.out().not_found(device.at("name"), name);
    else if (!volume->second)
      device.invalid("name",
                     "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode");
    device.needs("devicePath");
    if (!paths.insert(path).second) device.invalid("devicePath", "must be unique");
    if (!check_no_backsteps(path).empty()) device.invalid("devicePath", "can not contain backsteps ('..')");
    if (any_has(mounts, "name", name)) device.invalid("name", "must not already exist in volumeMounts");
    if (any_has(mounts, "mountPath", path) && !path.empty())
      device.invalid("devicePath", "must not already exist as a path in volumeMounts");
  });
}

void validate_resize_policy(const judged& container, const pod_facts& facts) {
  std::set<std::string_view> seen;
  auto path = container.at("resizePolicy");
  container.each("resizePolicy", [&](const judged& policy, size_t) {
    auto resource = policy.text("resourceName");
    auto restart = policy.text("restartPolicy");
    auto& out = policy.out();
    if (!seen.insert(resource).second) out.duplicate(policy.path(), json::value(resource));
    if (resource.empty())
      out.required(path);
    else if (resource != "cpu" && resource != "memory")
      out.not_supported(path, resource, {"cpu", "memory"});
    if (restart.empty())
      out.required(path);
    else if (restart != "NotRequired" && restart != "RestartContainer")
      out.not_supported(path, restart, {"NotRequired", "RestartContainer"});
    if (facts.never_restarts && restart != "NotRequired")
      out.invalid(path, json::value(restart), "must be 'NotRequired' when `restartPolicy` is 'Never'");
  });
}

void validate_image(const judged& container) {
  container.needs("image");
  auto image = container.text("image");
  constexpr std::string_view blank = " \t\r\n\v\f";
  if (!image.empty()
      && (blank.find(image.front()) != std::string_view::npos
          || blank.find(image.back()) != std::string_view::npos))
    container.invalid("image", "must not have leading or trailing whitespace");
}

void validate_common(const judged& container, const pod_facts& facts) {
  container.needs_format("name", check_dns_label);
  validate_image(container);
  container.choice("terminationMessagePolicy", {"File", "FallbackToLogsOnError"}, true);
  validate_ports(container);
  validate_env(container);
  validate_mounts(container, facts);
  validate_devices(container, facts);
  container.choice("imagePullPolicy", {"Always", "IfNotPresent", "Never"}, true);
  container.with("resources", [&](const judged& resources) { validate_resources(resources, &facts); });
  validate_resize_policy(container, facts);
  container.with("securityContext",
                 [&](const judged& context) { validate_security_context(context, facts.host_users); });
}

struct probe_row {
  std::string_view name;
  bool single_success; ///< successThreshold must be 1
};

constexpr probe_row probe_rows[] = {
    {"livenessProbe", true}, {"readinessProbe", false}, {"startupProbe", true}};

/// Hooks and probes: of regular containers and of those that run beside them.
void validate_hooks_and_probes(const judged& container, const pod_facts& facts) {
  container.with("lifecycle", [&](const judged& lifecycle) {
    for (auto hook : {"postStart", "preStop"})
      lifecycle.with(hook, [&](const judged& handler) { validate_handler(handler, false, facts); });
  });
  for (const auto& row : probe_rows)
    container.with(row.name, [&](const judged& probe) {
      validate_probe(probe, facts);
      if (row.single_success && probe.number("successThreshold", 1) != 1)
        probe.invalid("successThreshold", "must be 1");
      if (!row.single_success && probe.has("terminationGracePeriodSeconds"))
        probe.invalid("terminationGracePeriodSeconds", "must not be set for readinessProbes");
    });
}

/// Source: validateContainerRestartPolicy.
void validate_restart(const judged& container) {
  if (container.has("restartPolicy")) container.choice("restartPolicy", {"Always", "OnFailure", "Never"});
  const auto& rules = container.list("restartPolicyRules");
  if (!rules.empty() && !container.has("restartPolicy"))
    container.out().required(container.at("restartPolicy"),
                             "must specify restartPolicy when restart rules are used");
  if (rules.size() > 20)
    return container.out().too_many(container.at("restartPolicyRules"), rules.size(), 20);
  container.each("restartPolicyRules", [](const judged& rule, size_t) {
    rule.choice("action", {"Restart", "RestartAllContainers"}, true);
    if (!rule.has("exitCodes")) return rule.out().required(rule.at("exitCodes"), "must be specified");
    rule.with("exitCodes", [](const judged& codes) {
      codes.choice("operator", {"In", "NotIn"}, true);
      if (auto count = codes.list("values").size(); count > 255)
        codes.out().too_many(codes.at("values"), count, 255);
    });
  });
}

void validate_init_container(const judged& container, const pod_facts& facts) {
  validate_common(container, facts);
  validate_restart(container);
  if (container.text("restartPolicy") == "Always")
    validate_hooks_and_probes(container, facts);
  else
    for (auto key : {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"})
      if (container.has(key))
        container.forbidden(key, "may not be set for init containers without restartPolicy=Always");
  std::set<std::string> ports; // they run one after the other, so each is judged alone
  validate_host_ports(container, ports);
}

// What an ephemeral container may not have, in the order of its fields.
constexpr std::string_view not_ephemeral[] = {"ports",         "resources",     "resizePolicy",
                                              "restartPolicy", "livenessProbe", "readinessProbe",
                                              "startupProbe",  "lifecycle"};

bool is_set(const judged& container, std::string_view key) {
  const auto& value = container.value(key);
  if (const auto* list = value.if_array()) return !list->empty();
  // Defaulting makes empty resources.
  if (const auto* object = value.if_object()) return key != "resources" || !object->empty();
  return container.has(key);
}

void validate_ephemeral_container(const judged& container, const pod_facts& facts,
                                  const std::set<std::string_view>& others) {
  validate_common(container, facts);
  auto target = container.text("targetContainerName");
  if (!target.empty() && !others.contains(target))
    container.out().not_found(container.at("targetContainerName"), target);
  constexpr auto text = "cannot be set for an Ephemeral Container";
  for (auto key : not_ephemeral)
    if (is_set(container, key)) container.forbidden(key, text);
  container.each("volumeMounts", [&](const judged& mount, size_t) {
    for (auto key : {"subPath", "subPathExpr"})
      if (!mount.text(key).empty()) mount.forbidden(key, text);
  });
}

} // namespace

void validate_containers(const judged& spec, const pod_facts& facts) {
  if (spec.list("containers").empty()) spec.out().required(spec.at("containers"));
  std::set<std::string_view> names, others;
  auto unique_name = [&](const judged& container) {
    auto name = container.text("name");
    if (!name.empty() && !names.insert(name).second)
      container.out().duplicate(container.at("name"), json::value(name));
  };
  spec.each("containers", [&](const judged& container, size_t) {
    validate_common(container, facts);
    unique_name(container);
    validate_hooks_and_probes(container, facts);
    validate_restart(container);
  });
  std::set<std::string> host_ports;
  spec.each("containers",
            [&](const judged& container, size_t) { validate_host_ports(container, host_ports); });
  spec.each("initContainers", [&](const judged& container, size_t) {
    validate_init_container(container, facts);
    unique_name(container);
  });
  others = names;
  spec.each("ephemeralContainers", [&](const judged& container, size_t) {
    validate_ephemeral_container(container, facts, others);
    unique_name(container);
  });
}

} // namespace podium::config
