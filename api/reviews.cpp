// Questions about access: who am I, may I, what may I; may he, whose token is this. Nothing is stored.
#include "api/body.hpp"
#include "api/write.hpp"
#include "config/json_access.hpp"
#include "core/utf8.hpp"
#include "runtime/http/token_keys.hpp"

#include <algorithm>

namespace podium::api {
namespace {

namespace json = boost::json;

json::array texts(const std::vector<std::string>& list) {
  json::array out;
  for (auto& text : list)
    out.emplace_back(text);
  return out;
}

json::object user_json(const user_info& user) {
  json::object out{{"username", user.name}};
  if (!user.uid.empty()) out["uid"] = user.uid;
  if (!user.groups.empty()) out["groups"] = texts(user.groups);
  json::object extra;
  for (auto& [key, values] : user.extra)
    extra[key] = texts(values);
  if (!extra.empty()) out["extra"] = std::move(extra);
  return out;
}

/// A question about one namespace names no other. Source: ValidateLocalSubjectAccessReview.
void check_local(const call& c, const json::object& spec, config::field_causes& causes) {
  auto* about = config::object_at(spec, "resourceAttributes");
  if (auto ns = about ? config::text_at(*about, "namespace") : c.to.ns; ns != c.to.ns)
    causes.invalid("spec.resourceAttributes.namespace", json::value(ns), "must match metadata.namespace");
  if (auto* path = config::object_at(spec, "nonResourceAttributes"))
    causes.invalid("spec.nonResourceAttributes", *path, "disallowed on this kind of request");
}

/// The question of a spec. Source: ValidateSubjectAccessReviewSpec.
outcome<request_attributes> question_of(const call& c, const json::object& spec, bool of_others) {
  auto* about_resource = config::object_at(spec, "resourceAttributes");
  auto* about_path = config::object_at(spec, "nonResourceAttributes");
  config::field_causes causes;
  if (about_resource && about_path)
    causes.invalid("spec.nonResourceAttributes", *about_path,
                   "cannot be specified in combination with resourceAttributes");
  if (!about_resource && !about_path)
    causes.invalid("spec.resourceAttributes", nullptr,
                   "exactly one of nonResourceAttributes or resourceAttributes must be specified");
  if (of_others && config::text_at(spec, "user").empty() && config::list_at(spec, "groups").empty())
    causes.invalid("spec.user", "", "at least one of user or group must be specified");
  if (c.res().namespaced) check_local(c, spec, causes);
  if (!causes.empty()) return invalid(c.res(), "", causes);
  request_attributes out;
  if (about_path) {
    out.verb = config::text_at(*about_path, "verb");
    out.path = config::text_at(*about_path, "path");
    return out;
  }
  auto& a = *about_resource;
  out.verb = config::text_at(a, "verb");
  out.group = config::text_at(a, "group");
  out.version = config::text_at(a, "version");
  out.resource = config::text_at(a, "resource");
  out.subresource = config::text_at(a, "subresource");
  out.ns = config::text_at(a, "namespace");
  out.name = config::text_at(a, "name");
  return out;
}

outcome<json::object> access_review(const call& c, const json::object& spec) {
  bool of_others = c.res().kind != "SelfSubjectAccessReview";
  auto asked = question_of(c, spec, of_others);
  if (auto* f = std::get_if<failure>(&asked)) return std::move(*f);
  auto user = c.user;
  if (of_others) {
    user = {std::string{config::text_at(spec, "user")}, std::string{config::text_at(spec, "uid")}, {}, {}};
    for (auto& group : config::list_at(spec, "groups"))
      if (auto* text = group.if_string()) user.groups.emplace_back(*text);
  }
  bool allowed = c.state->settings.access->allows(user, std::get<request_attributes>(asked));
  return json::object{{"allowed", allowed}};
}

outcome<json::object> rules_review(const call& c, const json::object& spec) {
  auto ns = config::text_at(spec, "namespace");
  if (ns.empty()) return bad_request("no namespace on request");
  json::array resource_rules, path_rules;
  for (auto* rule : c.state->settings.access->rules_of(c.user, ns)) {
    if (!rule->non_resource_urls.empty()) {
      path_rules.push_back(
          {{"verbs", texts(rule->verbs)}, {"nonResourceURLs", texts(rule->non_resource_urls)}});
      continue;
    }
    json::object row{{"verbs", texts(rule->verbs)},
                     {"apiGroups", texts(rule->api_groups)},
                     {"resources", texts(rule->resources)}};
    if (!rule->resource_names.empty()) row["resourceNames"] = texts(rule->resource_names);
    resource_rules.push_back(std::move(row));
  }
  return json::object{{"resourceRules", std::move(resource_rules)},
                      {"nonResourceRules", std::move(path_rules)},
                      {"incomplete", false}};
}

/// A service account's token that is for one of the audiences asked about; which of them.
std::optional<json::object> account_review(const call& c, std::string_view token, const json::object& spec) {
  auto& find = c.state->settings.find_account;
  std::optional<user_info> user;
  json::array good;
  // Who asks about none means this API. Source: Kubernetes' TokenReview.
  auto wanted = config::list_at(spec, "audiences");
  if (wanted.empty()) wanted.emplace_back(token_issuer_name);
  for (auto& audience : wanted) {
    if (!find || !audience.is_string()) continue;
    auto known = find(token, {std::string(audience.get_string())});
    if (!known) continue;
    user = std::move(known);
    good.push_back(audience);
  }
  if (!user) return std::nullopt;
  user->groups.emplace_back("system:authenticated");
  return json::object{{"authenticated", true}, {"user", user_json(*user)}, {"audiences", std::move(good)}};
}

outcome<json::object> token_review(const call& c, const json::object& spec) {
  auto token = config::text_at(spec, "token");
  if (token.empty()) return bad_request("token is required for TokenReview in authentication");
  if (auto of_account = account_review(c, token, spec)) return std::move(*of_account);
  static constexpr auto nobody = [] {
    return json::object{{"authenticated", false}, {"user", json::object{}}};
  };
  // A token of the file names no audience: it is for this API alone.
  auto& audiences = config::list_at(spec, "audiences");
  bool for_us = audiences.empty() || std::any_of(audiences.begin(), audiences.end(), [](auto& name) {
                  return name == json::value(token_issuer_name);
                });
  if (!for_us) return nobody();
  auto& find = c.state->settings.find_token;
  auto user = find ? find(token) : std::nullopt;
  if (!user) return nobody();
  user->groups.emplace_back("system:authenticated");
  json::object out{{"authenticated", true}, {"user", user_json(*user)}};
  out["audiences"] = json::array{json::value(token_issuer_name)};
  return out;
}

outcome<json::object> status_of(const call& c, const json::object& review) {
  static const json::object none;
  auto* spec = config::object_at(review, "spec");
  if (c.res().kind == "SelfSubjectReview") return json::object{{"userInfo", user_json(c.user)}};
  if (c.res().kind == "SelfSubjectRulesReview") return rules_review(c, spec ? *spec : none);
  if (c.res().kind == "TokenReview") return token_review(c, spec ? *spec : none);
  return access_review(c, spec ? *spec : none);
}

} // namespace

void serve_review(const call_ptr& c) {
  auto dry_run = is_dry_run(c->query());
  if (auto* f = std::get_if<failure>(&dry_run)) return c->fail(*f);
  auto body = read_object(*c, c->res().gvk());
  if (auto* f = std::get_if<failure>(&body)) return c->fail(*f);
  auto& review = std::get<json::object>(body);
  if (c->res().namespaced) {
    if (c->to.ns.empty()) return c->fail(method_not_allowed());
    if (auto f = adopt_identity(*c, review, false)) return c->fail(*f);
  }
  auto status = status_of(*c, review);
  if (auto* f = std::get_if<failure>(&status)) return c->fail(*f);
  metadata_of(review).emplace("creationTimestamp", nullptr);
  review["status"] = std::move(std::get<json::object>(status));
  c->answer(201, to_utf8(json::serialize(review) + "\n")); // names come from headers, too
}

} // namespace podium::api
