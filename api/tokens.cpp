// serviceaccounts/token: a signed token of an account, as `kubectl create token` asks for.
#include "api/body.hpp"
#include "config/json_access.hpp"
#include "messages/pod.hpp"
#include "runtime/http/token_keys.hpp"

namespace podium::api {
namespace {

namespace json = boost::json;

constexpr int64_t least_seconds = 600, most_seconds = int64_t{1} << 32;
const config::group_version_kind request_kind{"authentication.k8s.io", "v1", "TokenRequest"};

std::optional<failure> check_seconds(const json::object& spec) {
  config::field_causes causes;
  auto seconds = config::int_at(spec, "expirationSeconds");
  if (seconds < least_seconds)
    causes.invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes");
  if (seconds > most_seconds)
    causes.invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds");
  if (causes.empty()) return {};
  return failure{config::make_invalid_status({"", request_kind.group, request_kind.kind, {}}, causes)};
}

/// The object that a token is to be bound to. Source: TokenREST.Create.
outcome<token_binding> binding_of(const call& c, const json::object& ref) {
  auto gvk = config::make_gvk(config::text_at(ref, "apiVersion"), config::text_at(ref, "kind"));
  auto plural = gvk.kind == "Pod"      ? "pods"
                : gvk.kind == "Secret" ? "secrets"
                : gvk.kind == "Node"   ? "nodes"
                                       : "";
  if (!gvk.group.empty() || std::string_view{plural}.empty())
    return bad_request("cannot bind token to object of type " + gvk.group + "/" + gvk.version
                       + ", Kind=" + gvk.kind);
  auto& row = *find_resource("", "v1", plural);
  token_binding out{gvk.kind, std::string{config::text_at(ref, "name")}, {}};
  auto object = c.state->parts.view.snapshot(plural)->find(row.namespaced ? c.to.ns : "", out.name);
  if (!object) return not_found(row, out.name);
  if (gvk.kind == "Pod" && object->as_pod().spec.service_account_name != c.to.name)
    return bad_request("cannot bind token for serviceaccount \"" + c.to.name
                       + "\" to pod running with different serviceaccount name.");
  out.uid = object->uid();
  if (auto wanted = std::string{config::text_at(ref, "uid")}; !wanted.empty() && wanted != out.uid)
    return conflict(row, out.name,
                    "the UID in the bound object reference (" + wanted
                        + ") does not match the UID in record. The object might have been deleted and then "
                          "recreated");
  return out;
}

/// Metadata that names another account is refused.
std::optional<failure> adopt_account(const call& c, json::object& request) {
  auto& meta = metadata_of(request);
  auto differs = [&](std::string_view field, const std::string& is) {
    auto given = metadata_text(request, field);
    return !given.empty() && given != is;
  };
  if (differs("name", c.to.name))
    return bad_request("metadata.name: Invalid value: \"" + metadata_text(request, "name")
                       + "\": must match the service account name");
  if (differs("namespace", c.to.ns))
    return bad_request("metadata.namespace: Invalid value: \"" + metadata_text(request, "namespace")
                       + "\": must match the service account namespace");
  meta["name"] = c.to.name;
  meta["namespace"] = c.to.ns;
  meta["creationTimestamp"] = to_rfc3339(c.state->now());
  return {};
}

std::vector<std::string> texts_of(const json::array& list) {
  std::vector<std::string> out;
  for (auto& item : list)
    if (item.is_string()) out.emplace_back(item.get_string());
  return out;
}

} // namespace

void serve_token(const call_ptr& c) {
  auto& keys = c->state->settings.tokens;
  if (!keys) return c->fail(unavailable("this API signs no tokens"));
  auto dry_run = is_dry_run(c->query());
  if (auto* f = std::get_if<failure>(&dry_run)) return c->fail(*f);
  auto body = read_object(*c, request_kind);
  if (auto* f = std::get_if<failure>(&body)) return c->fail(*f);
  auto& request = std::get<json::object>(body);
  auto account = c->snapshot()->find(c->to.ns, c->to.name);
  if (!account) return c->fail(not_found(c->res(), c->to.name));
  if (auto f = adopt_account(*c, request)) return c->fail(*f);
  auto& spec = config::make_object(request, "spec");
  config::set_default_number(spec, "expirationSeconds", 3600);
  if (config::list_at(spec, "audiences").empty()) spec["audiences"] = json::array{token_issuer_name};
  if (auto f = check_seconds(spec)) return c->fail(*f);
  token_claims claims;
  if (auto* ref = config::object_at(spec, "boundObjectRef")) {
    auto bound = binding_of(*c, *ref);
    if (auto* f = std::get_if<failure>(&bound)) return c->fail(*f);
    claims.bound_to = std::move(std::get<token_binding>(bound));
  }
  claims.ns = c->to.ns;
  name_node(claims, c->state->parts.view);
  claims.service_account = c->to.name;
  claims.service_account_uid = account->uid();
  claims.audiences = texts_of(config::list_at(spec, "audiences"));
  claims.issued_at = c->state->now();
  claims.expires_at = claims.issued_at + std::chrono::seconds{config::int_at(spec, "expirationSeconds")};
  request["status"] = {{"token", keys->sign(claims)}, {"expirationTimestamp", to_rfc3339(claims.expires_at)}};
  c->answer(201, json::serialize(request) + "\n");
}

} // namespace podium::api
