// Validation of security contexts and of what an operating system allows.
#include "config/judged.hpp"

#include <limits>

namespace podium::config {
namespace {

constexpr int64_t top_id = std::numeric_limits<int32_t>::max();
constexpr size_t most_profile_bytes = 4095;
constexpr size_t most_sysctl_bytes = 253;

void validate_seccomp(const judged& profile) {
  auto type = profile.text("type");
  if (type.empty())
    profile.out().required(profile.at("type"), "type is required when seccompProfile is set");
  else
    profile.choice("type", {"Localhost", "RuntimeDefault", "Unconfined"});
  auto path = profile.text("localhostProfile");
  if (type != "Localhost") {
    if (profile.has("localhostProfile"))
      profile.invalid("localhostProfile", "can only be set when seccomp type is Localhost");
  } else if (!profile.has("localhostProfile")) {
    profile.out().required(profile.at("localhostProfile"), "must be set when seccomp type is Localhost");
  } else {
    profile.out().invalid(profile.at("localhostProfile"), json::value(path), check_relative_path(path));
  }
}

void validate_app_armor(const judged& profile) {
  auto type = profile.text("type");
  auto name = profile.text("localhostProfile");
  constexpr std::string_view blank = " \t\r\n\v\f";
  if (type.empty()) {
    profile.out().required(profile.at("type"), "type is required when appArmorProfile is set");
  } else if (type == "RuntimeDefault" || type == "Unconfined") {
    if (profile.has("localhostProfile"))
      profile.invalid("localhostProfile", "can only be set when AppArmor type is Localhost");
  } else if (type != "Localhost") {
    profile.choice("type", {"Localhost", "RuntimeDefault", "Unconfined"});
  } else if (name.empty()) {
    profile.out().required(profile.at("localhostProfile"), "must be set when AppArmor type is Localhost");
  } else {
    if (blank.find(name.front()) != std::string_view::npos
        || blank.find(name.back()) != std::string_view::npos)
      profile.invalid("localhostProfile", "must not be padded with whitespace");
    if (name.size() > most_profile_bytes)
      profile.out().too_long(profile.at("localhostProfile"), most_profile_bytes);
  }
}

bool is_sysctl_name(std::string_view name) {
  auto is_edge = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (name.size() > most_sysctl_bytes) return false;
  for (;;) {
    auto end = std::min(name.find_first_of("./"), name.size());
    auto part = name.substr(0, end);
    if (part.empty() || !is_edge(part.front()) || !is_edge(part.back())) return false;
    if (!std::all_of(part.begin(), part.end(), [&](char c) { return is_edge(c) || c == '-' || c == '_'; }))
      return false;
    if (end == name.size()) return true;
    name.remove_prefix(end + 1);
  }
}

struct sysctl_row {
  std::string_view prefix;
  std::string_view host_field; ///< the pod may not share this with the host
};

constexpr sysctl_row host_sysctls[] = {{"net.", "hostNetwork"},
                                       {"kernel.shm", "hostIPC"},
                                       {"kernel.msg", "hostIPC"},
                                       {"kernel.sem", "hostIPC"},
                                       {"fs.mqueue.", "hostIPC"}};

void validate_sysctls(const judged& spec, const judged& context) {
  std::set<std::string_view> seen;
  context.each("sysctls", [&](const judged& sysctl, size_t) {
    auto name = sysctl.text("name");
    if (name.empty())
      sysctl.out().required(sysctl.at("name"));
    else if (!is_sysctl_name(name))
      sysctl.invalid("name", "must have at most 253 characters and match regex "
                             "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
    else if (!seen.insert(name).second)
      sysctl.out().duplicate(sysctl.at("name"), json::value(name));
    for (const auto& row : host_sysctls)
      if (name.starts_with(row.prefix) && spec.flag(row.host_field)) {
        sysctl.invalid("name", "may not be specified when '" + std::string{row.host_field} + "' is true");
        break;
      }
  });
}

// What only Linux knows: of the pod, of its security context, of a container's.
constexpr std::string_view not_windows_pod[] = {"hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"};
constexpr std::string_view not_windows_context[] = {"appArmorProfile",     "seLinuxOptions",
                                                    "seccompProfile",      "fsGroup",
                                                    "fsGroupChangePolicy", "sysctls",
                                                    "runAsUser",           "runAsGroup",
                                                    "supplementalGroups",  "supplementalGroupsPolicy"};
constexpr std::string_view not_windows_container[] = {
    "appArmorProfile", "seLinuxOptions",           "seccompProfile", "capabilities", "readOnlyRootFilesystem",
    "privileged",      "allowPrivilegeEscalation", "procMount",      "runAsUser",    "runAsGroup"};

template <size_t N>
void forbid(const judged& in, const std::string_view (&fields)[N]) {
  for (auto field : fields)
    if (const auto& value = in.value(field); !value.is_null() && value != json::value(false))
      in.forbidden(field, "cannot be set for a windows pod");
}

template <class F>
void each_container_context(const judged& spec, F&& f) {
  for (auto list : {"initContainers", "containers", "ephemeralContainers"})
    spec.each(list, [&](const judged& container, size_t) { container.with("securityContext", f); });
}

void validate_linux(const judged& spec) {
  auto refuse = [](const judged& context) {
    if (context.has("windowsOptions"))
      context.forbidden("windowsOptions", "windows options cannot be set for a linux pod");
  };
  spec.with("securityContext", refuse);
  each_container_context(spec, refuse);
}

void validate_windows(const judged& spec) {
  forbid(spec, not_windows_pod);
  spec.with("securityContext", [](const judged& context) { forbid(context, not_windows_context); });
  each_container_context(spec, [](const judged& context) { forbid(context, not_windows_container); });
}

} // namespace

void validate_security_context(const judged& context, bool host_users) {
  for (auto key : {"runAsUser", "runAsGroup"})
    context.between(key, 0, top_id);
  context.choice("procMount", {"Default", "Unmasked"});
  if (host_users && context.text("procMount") == "Unmasked")
    context.invalid("procMount", "`hostUsers` must be false to use `Unmasked`");
  context.with("seccompProfile", validate_seccomp);
  if (!context.flag("allowPrivilegeEscalation", true)) {
    auto refuse = [&](std::string_view what) {
      context.out().invalid(context.path(), json::value(context.object()),
                            "cannot set `allowPrivilegeEscalation` to false and " + std::string{what});
    };
    if (context.flag("privileged")) refuse("`privileged` to true");
    context.with("capabilities", [&](const judged& capabilities) {
      capabilities.each_text("add", [&](std::string_view name, const std::string&) {
        if (name == "CAP_SYS_ADMIN") refuse("`capabilities.Add` CAP_SYS_ADMIN");
      });
    });
  }
  context.with("appArmorProfile", validate_app_armor);
}

void validate_pod_security(const judged& spec) {
  spec.with("securityContext", [&](const judged& context) {
    for (auto key : {"fsGroup", "runAsUser", "runAsGroup"})
      context.between(key, 0, top_id);
    const auto& groups = context.list("supplementalGroups");
    for (size_t i = 0; i < groups.size(); ++i)
      if (groups[i].is_int64() && (groups[i].get_int64() < 0 || groups[i].get_int64() > top_id))
        context.out().invalid(context.at("supplementalGroups", i), groups[i],
                              "must be between 0 and 2147483647, inclusive");
  });
  // Kubernetes holds the host's namespaces in the security context and gives that path.
  if (spec.flag("shareProcessNamespace") && spec.flag("hostPID"))
    spec.out().invalid(spec.at("securityContext.shareProcessNamespace"), true,
                       "ShareProcessNamespace and HostPID cannot both be enabled");
  spec.with("securityContext", [&](const judged& context) {
    validate_sysctls(spec, context);
    context.choice("fsGroupChangePolicy", {"Always", "OnRootMismatch"});
    context.with("seccompProfile", validate_seccomp);
    context.with("appArmorProfile", validate_app_armor);
    context.choice("supplementalGroupsPolicy", {"Merge", "Strict"});
    context.choice("seLinuxChangePolicy", {"MountOption", "Recursive"});
  });
}

void validate_os(const judged& spec) {
  spec.with("os", [&](const judged& os) {
    auto name = os.text("name");
    if (name.empty())
      os.out().required(os.at("name"), "cannot be empty");
    else if (name == "linux")
      validate_linux(spec);
    else if (name == "windows")
      validate_windows(spec);
    else
      os.out().not_supported(os.path(), name, {"linux", "windows"});
  });
}

} // namespace podium::config
