#include "actors/registry_logins.hpp"

#include "core/base64.hpp"

#include <algorithm>

namespace podium {
namespace {

namespace json = boost::json;

// More than any registry's users have; a secret holds at most 1 MiB anyway.
constexpr size_t max_logins = 1'000;

constexpr std::string_view wrapped_type = "kubernetes.io/dockerconfigjson",
                           bare_type = "kubernetes.io/dockercfg";
bool holds_logins(const secret& s) {
  return s.type == wrapped_type || s.type == bare_type;
}

std::string text_of(const json::object& o, const char* key) {
  auto* v = o.if_contains(key);
  auto* s = v ? v->if_string() : nullptr;
  return s ? std::string{s->begin(), s->end()} : std::string{};
}

std::optional<registry_login> login_of(std::string_view registry, const json::value& entry) {
  auto* o = entry.if_object();
  if (!o || registry.empty()) return std::nullopt;
  registry_login out{std::string{registry}, text_of(*o, "username"), text_of(*o, "password"),
                     text_of(*o, "identitytoken")};
  if (auto auth = text_of(*o, "auth"); !auth.empty()) {
    auto plain = from_base64(auth);
    auto colon = plain ? plain->find(':') : std::string::npos;
    if (colon == std::string::npos) return std::nullopt;
    out.username = plain->substr(0, colon);
    out.password = plain->substr(colon + 1);
    // Docker pads what it writes.
    out.password.erase(out.password.find_last_not_of('\0') + 1);
  }
  if (out.username.empty() && out.password.empty() && out.identity_token.empty()) return std::nullopt;
  return out;
}

std::vector<std::string> secret_names(const object& pod, const pod_inputs& inputs) {
  std::vector<std::string> out;
  auto add = [&](const std::string& name) {
    if (!name.empty() && std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  };
  auto& spec = pod.as_pod().spec;
  for (auto& reference : spec.image_pull_secrets)
    add(reference.name);
  if (!out.empty()) return out;
  auto account = spec.service_account_name.empty() ? "default" : spec.service_account_name;
  auto found = inputs.objects.find({"serviceaccounts", pod.key().ns, account});
  if (found == inputs.objects.end() || !found->second) return out;
  for (auto& reference : found->second->as_service_account().image_pull_secrets)
    add(reference.name);
  return out;
}

} // namespace

std::optional<std::vector<registry_login>> logins_of(const secret& from) {
  if (!holds_logins(from)) return std::nullopt;
  bool wrapped = from.type == wrapped_type;
  auto data = from.data.find(wrapped ? ".dockerconfigjson" : ".dockercfg");
  auto text = data == from.data.end() ? std::nullopt : from_base64(data->second);
  if (!text) return std::nullopt;
  json::error_code ec;
  auto document = json::parse(*text, ec, {}, {.max_depth = 16});
  auto* entries = ec ? nullptr : document.if_object();
  if (entries && wrapped) {
    auto* auths = entries->if_contains("auths");
    entries = auths ? auths->if_object() : nullptr;
  }
  if (!entries) return std::nullopt;
  std::vector<registry_login> out;
  for (auto& [registry, entry] : *entries)
    if (auto login = login_of({registry.data(), registry.size()}, entry); login && out.size() < max_logins)
      out.push_back(std::move(*login));
  std::sort(out.begin(), out.end(), [](auto& a, auto& b) { return a.registry < b.registry; });
  return out;
}

pod_logins registry_logins_of(const object& pod, const pod_inputs* inputs) {
  pod_logins out;
  if (!inputs) return out;
  for (auto& name : secret_names(pod, *inputs)) {
    auto found = inputs->objects.find({"secrets", pod.key().ns, name});
    bool there = found != inputs->objects.end() && found->second;
    // Source: the kubelet passes over secrets of another type without a word.
    if (there && !holds_logins(found->second->as_secret())) continue;
    auto logins = there ? logins_of(found->second->as_secret()) : std::nullopt;
    if (!logins) {
      out.missing.push_back(name);
      continue;
    }
    out.logins.insert(out.logins.end(), logins->begin(), logins->end());
  }
  return out;
}

} // namespace podium
