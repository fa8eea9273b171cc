// What stands before every request: whether its user may do it, and whether he may do it in another's name.
#include "api/call.hpp"

#include <algorithm>

namespace podium::api {
namespace {

failure refusal(const user_info& user, const request_attributes& a) {
  auto text = forbidden_text(user, a);
  if (!a.about_resource()) return {config::make_status(403, "Forbidden", "forbidden: " + text)};
  auto subject = a.group.empty() ? a.resource : a.resource + "." + a.group;
  if (!a.name.empty()) subject += " \"" + a.name + "\"";
  return {config::make_status(403, "Forbidden", subject + " is forbidden: " + text,
                              {a.name, a.group, a.resource, {}})};
}

/// "system:serviceaccount:NS:NAME" in its parts.
std::optional<std::pair<std::string, std::string>> service_account(std::string_view user) {
  constexpr std::string_view prefix = "system:serviceaccount:";
  if (!user.starts_with(prefix)) return {};
  user.remove_prefix(prefix.size());
  auto colon = user.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == user.size()) return {};
  if (user.find(':', colon + 1) != std::string_view::npos) return {};
  return std::pair{std::string{user.substr(0, colon)}, std::string{user.substr(colon + 1)}};
}

request_attributes impersonating(std::string_view group, std::string_view resource, std::string_view name) {
  request_attributes out;
  out.verb = "impersonate";
  out.group = group;
  out.resource = resource;
  out.name = name;
  return out;
}

/// What the headers ask for: the new user, and what the old one needs leave for.
struct impersonation {
  user_info user;
  std::vector<request_attributes> needs;
};

constexpr std::string_view extra_prefix = "Impersonate-Extra-";
constexpr std::string_view authentication_group = "authentication.k8s.io";

void read_extra(const http_headers& headers, impersonation& out) {
  for (size_t i = 0; i < headers.size(); ++i) {
    auto [name, value] = headers.at(i);
    if (name.size() <= extra_prefix.size()
        || !equal_ignoring_case(name.substr(0, extra_prefix.size()), extra_prefix))
      continue;
    auto key = percent_decode(name.substr(extra_prefix.size())).value_or("");
    std::transform(key.begin(), key.end(), key.begin(),
                   [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
    auto need = impersonating(authentication_group, "userextras", value);
    need.subresource = key;
    out.needs.push_back(std::move(need));
    out.user.extra[key].emplace_back(value);
  }
}

impersonation read_impersonation(const http_headers& headers) {
  impersonation out;
  auto& user = out.user;
  user.name = headers.get("Impersonate-User");
  auto account = service_account(user.name);
  if (account) {
    auto need = impersonating("", "serviceaccounts", account->second);
    need.ns = account->first;
    out.needs.push_back(std::move(need));
  } else if (!user.name.empty()) {
    out.needs.push_back(impersonating("", "users", user.name));
  }
  user.uid = headers.get("Impersonate-Uid");
  if (!user.uid.empty()) out.needs.push_back(impersonating(authentication_group, "uids", user.uid));
  for (auto group : headers.get_all("Impersonate-Group")) {
    user.groups.emplace_back(group);
    out.needs.push_back(impersonating("", "groups", group));
  }
  if (account && user.groups.empty())
    user.groups = {"system:serviceaccounts", "system:serviceaccounts:" + account->first};
  read_extra(headers, out);
  return out;
}

} // namespace

bool may_proceed(const call_ptr& c, std::string_view verb) {
  auto attributes = attributes_of(c->request());
  if (c->to.res) attributes.verb = verb;
  if (c->state->settings.access->allows(c->user, attributes)) return true;
  c->fail(refusal(c->user, attributes));
  return false;
}

bool take_other_name(const call_ptr& c) {
  auto wanted = read_impersonation(c->request().headers);
  if (wanted.needs.empty()) return true;
  if (wanted.user.name.empty()) {
    c->fail(internal_error("groups, a uid or extras were to be impersonated without impersonating a user"));
    return false;
  }
  for (auto& need : wanted.needs)
    if (!c->state->settings.access->allows(c->user, need)) {
      c->fail(refusal(c->user, need));
      return false;
    }
  auto& groups = wanted.user.groups;
  bool says_it = std::any_of(groups.begin(), groups.end(), [](auto& g) {
    return g == "system:authenticated" || g == "system:unauthenticated";
  });
  if (!says_it)
    groups.emplace_back(wanted.user.name == "system:anonymous" ? "system:unauthenticated"
                                                               : "system:authenticated");
  c->user = std::move(wanted.user);
  return true;
}

} // namespace podium::api
