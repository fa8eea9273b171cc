#include "api/access.hpp"

#include "runtime/http/message.hpp"

#include <algorithm>

namespace podium::api {
namespace {

using texts = std::vector<std::string>;

bool has(const texts& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool has_or_all(const texts& list, std::string_view text) {
  return has(list, "*") || has(list, text);
}

bool is_for(const access_policy::rule& r, const user_info& user) {
  return has(r.users, user.name)
         || std::any_of(user.groups.begin(), user.groups.end(), [&](auto& g) { return has(r.groups, g); });
}

bool stands_in(const access_policy::rule& r, std::string_view ns) {
  return r.namespaces.empty() || (!ns.empty() && has_or_all(r.namespaces, ns));
}

bool covers_resource(const access_policy::rule& r, const request_attributes& a) {
  if (a.subresource.empty()) return has_or_all(r.resources, a.resource);
  return has_or_all(r.resources, a.resource + "/" + a.subresource) || has(r.resources, "*/" + a.subresource);
}

bool covers_path(const access_policy::rule& r, std::string_view path) {
  return std::any_of(r.non_resource_urls.begin(), r.non_resource_urls.end(), [&](std::string_view url) {
    if (url.ends_with('*')) return path.starts_with(url.substr(0, url.size() - 1));
    return url == path;
  });
}

bool covers(const access_policy::rule& r, const request_attributes& a) {
  if (!has_or_all(r.verbs, a.verb)) return false;
  if (!a.about_resource()) return covers_path(r, a.path);
  return has_or_all(r.api_groups, a.group) && covers_resource(r, a) && stands_in(r, a.ns)
         && (r.resource_names.empty() || has(r.resource_names, a.name));
}

std::vector<access_policy::rule> standing_rules() {
  using rule = access_policy::rule;
  const texts masters{"system:masters"}, known{"system:authenticated"}, all{"*"};
  const texts open{"/api",     "/api/*",     "/apis",   "/apis/*",  "/healthz", "/livez",
                   "/openapi", "/openapi/*", "/readyz", "/version", "/version/"};
  return {
      rule{.groups = masters, .verbs = all, .api_groups = all, .resources = all},
      rule{.groups = masters, .verbs = all, .non_resource_urls = all},
      rule{.groups = known,
           .verbs = {"create"},
           .api_groups = {"authentication.k8s.io"},
           .resources = {"selfsubjectreviews"}},
      rule{.groups = known,
           .verbs = {"create"},
           .api_groups = {"authorization.k8s.io"},
           .resources = {"selfsubjectaccessreviews", "selfsubjectrulesreviews"}},
      rule{.groups = known, .verbs = {"get"}, .non_resource_urls = open},
      rule{.groups = {"system:serviceaccounts"},
           .verbs = {"get"},
           .non_resource_urls = {"/.well-known/openid-configuration", "/.well-known/openid-configuration/",
                                 "/openid/v1/jwks", "/openid/v1/jwks/"}},
  };
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    auto slash = std::min(path.find('/'), path.size());
    if (slash > 0) out.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return out;
}

std::string verb_of_method(std::string_view method) {
  static constexpr std::pair<std::string_view, std::string_view> verbs[] = {
      {"POST", "create"}, {"GET", "get"},     {"HEAD", "get"},
      {"PUT", "update"},  {"PATCH", "patch"}, {"DELETE", "delete"}};
  for (auto& [name, verb] : verbs)
    if (name == method) return std::string{verb};
  return {};
}

std::string lower(std::string_view text) {
  std::string out;
  for (char c : text)
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return out;
}

/// The name that a field selector asks for: rules about names hold for such lists, too.
std::string selected_name(const http_query& query) {
  constexpr std::string_view start = "metadata.name=";
  auto text = query.get("fieldSelector").value_or("");
  if (!text.starts_with(start)) return {};
  text.remove_prefix(start.size());
  if (text.starts_with('=')) text.remove_prefix(1);
  return text.find_first_of(",=\\") == std::string_view::npos ? std::string{text} : std::string{};
}

} // namespace

request_attributes attributes_of(const http_request& request) {
  request_attributes out;
  out.path = request.path;
  out.verb = lower(request.method);
  auto parts = split_path(request.path);
  bool core = !parts.empty() && parts[0] == "api";
  size_t at = core ? 1 : 2; // the version
  if (parts.size() < at + 2 || (!core && parts[0] != "apis")) return out;
  if (!core) out.group = parts[1];
  out.version = parts[at++];
  out.verb = verb_of_method(request.method);
  if (parts[at] == "namespaces" && parts.size() > at + 1) {
    out.ns = parts[at + 1];
    bool of_namespace =
        parts.size() == at + 2 || (core && (parts[at + 2] == "status" || parts[at + 2] == "finalize"));
    if (!of_namespace) at += 2;
  }
  out.resource = parts[at];
  if (parts.size() > at + 1) out.name = parts[at + 1];
  if (parts.size() > at + 2) out.subresource = parts[at + 2];
  if (!out.name.empty()) return out;
  if (out.verb == "get") out.verb = request.query.flag("watch") ? "watch" : "list";
  if (out.verb == "delete") out.verb = "deletecollection";
  if (out.verb != "create") out.name = selected_name(request.query);
  return out;
}

std::string forbidden_text(const user_info& user, const request_attributes& a) {
  auto text = "User \"" + user.name + "\" cannot " + a.verb;
  if (!a.about_resource()) return text + " path \"" + a.path + "\"";
  auto resource = a.subresource.empty() ? a.resource : a.resource + "/" + a.subresource;
  text += " resource \"" + resource + "\" in API group \"" + a.group + "\"";
  return text + (a.ns.empty() ? " at the cluster scope" : " in the namespace \"" + a.ns + "\"");
}

access_policy::access_policy(const std::vector<rule>& rules) : rules_(standing_rules()) {
  rules_.insert(rules_.end(), rules.begin(), rules.end());
}

bool access_policy::allows(const user_info& user, const request_attributes& asked) const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [&](auto& r) { return is_for(r, user) && covers(r, asked); });
}

std::vector<const access_policy::rule*> access_policy::rules_of(const user_info& user,
                                                                std::string_view ns) const {
  std::vector<const rule*> out;
  for (auto& r : rules_)
    if (is_for(r, user) && stands_in(r, ns)) out.push_back(&r);
  return out;
}

} // namespace podium::api
