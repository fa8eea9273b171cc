#include "runtime/oci/seccomp.hpp"

#include "core/error.hpp"
#include "runtime/image/digest.hpp"
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <sys/utsname.h>

namespace podium {
namespace {

namespace json = boost::json;

constexpr size_t max_profile_bytes = 1 << 20;

#if defined(__x86_64__)
constexpr std::string_view native = "amd64";
#elif defined(__aarch64__)
constexpr std::string_view native = "arm64";
#else
#error "name this architecture as Go does, and as libseccomp does below"
#endif

constexpr std::pair<std::string_view, std::string_view> library_names[] = {{"amd64", "SCMP_ARCH_X86_64"},
                                                                           {"arm64", "SCMP_ARCH_AARCH64"}};

const json::array& list_of(const json::object& holder, std::string_view key) {
  static const json::array none;
  auto* found = holder.if_contains(key);
  auto* list = found ? found->if_array() : nullptr;
  return list ? *list : none;
}

/// "5.10" or "5.10.3-x": the first two numbers.
std::pair<int, int> version_of(std::string_view text) {
  std::pair<int, int> out{0, 0};
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out.first);
  if (ec == std::errc{} && end != text.data() + text.size() && *end == '.')
    std::from_chars(end + 1, text.data() + text.size(), out.second);
  return out;
}

/// What a rule is chosen by.
struct rule_filter {
  const std::set<std::string>& capabilities;
  std::string_view architecture;
  std::pair<int, int> kernel;

  bool has(const json::value& capability) const {
    return capability.is_string() && capabilities.contains(std::string{capability.get_string()});
  }
  bool is_native(const json::value& arch) const { return arch == json::value(architecture); }
  bool recent(const json::object& terms) const {
    auto* least = terms.if_contains("minKernel");
    return !least || !least->is_string() || kernel >= version_of(least->get_string());
  }
  bool included(const json::object& terms) const {
    auto& arches = list_of(terms, "arches");
    auto& caps = list_of(terms, "caps");
    if (!arches.empty() && std::none_of(arches.begin(), arches.end(), [&](auto& a) { return is_native(a); }))
      return false;
    return std::all_of(caps.begin(), caps.end(), [&](auto& c) { return has(c); }) && recent(terms);
  }
  bool excluded(const json::object& terms) const {
    auto& arches = list_of(terms, "arches");
    auto& caps = list_of(terms, "caps");
    return std::any_of(arches.begin(), arches.end(), [&](auto& a) { return is_native(a); })
           || std::any_of(caps.begin(), caps.end(), [&](auto& c) { return has(c); })
           || (terms.contains("minKernel") && recent(terms));
  }
  bool applies(const json::object& rule) const {
    static const json::object none;
    auto terms = [&](const char* key) -> const json::object& {
      auto* found = rule.if_contains(key);
      return found && found->is_object() ? found->get_object() : none;
    };
    return included(terms("includes")) && !excluded(terms("excludes"));
  }
};

json::array architectures_of(const json::object& profile, std::string_view architecture) {
  if (auto& given = list_of(profile, "architectures"); !given.empty()) return given;
  std::string_view wanted;
  for (auto& [go, library] : library_names)
    if (go == architecture) wanted = library;
  for (auto& row : list_of(profile, "archMap")) {
    auto* entry = row.if_object();
    auto* name = entry ? entry->if_contains("architecture") : nullptr;
    if (!name || *name != json::value(wanted)) continue;
    json::array out{*name};
    for (auto& more : list_of(*entry, "subArchitectures"))
      out.push_back(more);
    return out;
  }
  return {};
}

void copy(const json::object& from, json::object& to, std::initializer_list<std::string_view> keys) {
  for (auto key : keys)
    if (auto* value = from.if_contains(key); value && !value->is_null()) to[key] = *value;
}

caf::expected<json::object> read_profile(const std::string& path, const std::set<std::string>& capabilities) {
  auto refuse = [&](const std::string& why) {
    return make_error(errc::container_create, "cannot load seccomp profile \"" + path + "\": " + why);
  };
  auto text = read_file(path, max_profile_bytes);
  if (!text) return refuse(message_of(text.error()));
  boost::system::error_code ec;
  auto profile = json::parse(*text, ec);
  if (ec) return refuse("it is no JSON: " + ec.message());
  utsname system{};
  ::uname(&system);
  auto made = oci_seccomp(profile, capabilities, native, version_of(system.release));
  if (!made) return refuse(message_of(made.error()));
  return made;
}

/// An error by its name, where none is given by number. False: nobody knows the name.
bool take_errno(const json::object& from, std::string_view name, std::string_view number, json::object& to) {
  constexpr int most = 133;
  auto* text = from.if_contains(name);
  if (!text || to.contains(number)) return true;
  if (!text->is_string()) return false;
  // The C library knows one name of each number.
  constexpr std::array<std::pair<std::string_view, int>, 3> aliases{
      {{"EWOULDBLOCK", EWOULDBLOCK}, {"ENOTSUP", ENOTSUP}, {"EDEADLOCK", EDEADLOCK}}};
  for (auto& [alias, code] : aliases)
    if (text->get_string() == alias) {
      to[number] = code;
      return true;
    }
  for (int code = 1; code <= most; ++code)
    if (auto* known = ::strerrorname_np(code); known && text->get_string() == known) {
      to[number] = code;
      return true;
    }
  return false;
}

} // namespace

caf::expected<json::object> oci_seccomp(const json::value& profile, const std::set<std::string>& capabilities,
                                        std::string_view architecture, std::pair<int, int> kernel) {
  auto refuse = [](const char* why) { return make_error(errc::container_create, why); };
  auto* from = profile.if_object();
  if (!from) return refuse("it is no JSON object");
  auto* action = from->if_contains("defaultAction");
  if (!action || !action->is_string()) return refuse("defaultAction is missing");
  json::object out;
  for (auto* field : {"listenerPath", "listenerMetadata"})
    if (from->contains(field)) return refuse("listenerPath and listenerMetadata are not served");
  copy(*from, out, {"defaultAction", "defaultErrnoRet", "flags"});
  if (!take_errno(*from, "defaultErrno", "defaultErrnoRet", out)) return refuse("defaultErrno is unknown");
  if (auto architectures = architectures_of(*from, architecture); !architectures.empty())
    out["architectures"] = std::move(architectures);
  rule_filter filter{capabilities, architecture, kernel};
  json::array rules;
  for (auto& row : list_of(*from, "syscalls")) {
    auto* rule = row.if_object();
    if (!rule || (!rule->contains("names") && !rule->contains("name")) || !rule->contains("action"))
      return refuse("each of syscalls must have names and an action");
    if (!filter.applies(*rule)) continue;
    json::object made;
    if (auto* one = rule->if_contains("name"); one && one->is_string()) made["names"] = json::array{*one};
    copy(*rule, made, {"names", "action", "errnoRet"});
    if (!take_errno(*rule, "errno", "errnoRet", made)) return refuse("an errno of syscalls is unknown");
    if (auto& args = list_of(*rule, "args"); !args.empty()) made["args"] = args;
    rules.push_back(std::move(made));
  }
  out["syscalls"] = std::move(rules);
  return out;
}

caf::expected<json::object> seccomp_of(const create_container& request, const oci_settings& settings,
                                       const std::set<std::string>& capabilities) {
  auto& own = request.spec.security_context_;
  if (own && own->privileged.value_or(false)) return json::object{};
  auto& pods = request.pod_security;
  auto* profile = own && own->seccomp_profile_     ? &*own->seccomp_profile_
                  : pods && pods->seccomp_profile_ ? &*pods->seccomp_profile_
                                                   : nullptr;
  if (!profile || profile->type == "Unconfined") return json::object{};
  if (profile->type == "RuntimeDefault") return read_profile(settings.seccomp_default, capabilities);
  auto name = std::filesystem::path{profile->localhost_profile}.lexically_normal();
  if (name.empty() || name.is_absolute() || *name.begin() == "..")
    return make_error(errc::container_create,
                      "the seccomp profile must be a path below the profiles' directory");
  return read_profile(settings.root + "/seccomp/" + name.string(), capabilities);
}

} // namespace podium
