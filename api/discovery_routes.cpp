#include "api/call.hpp"
#include "api/discovery.hpp"
#include "api/openapi_v2.hpp"
#include "runtime/http/token_keys.hpp"

#include <ctime>

namespace podium::api {
namespace {

/// "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(wall_time t) {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
  std::time_t time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[parts.tm_wday],
                parts.tm_mday, months[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                parts.tm_sec);
  return buffer;
}

bool client_has(const http_request& request, const std::string& etag) {
  for (auto& known : split_list(request.headers.get("If-None-Match")))
    if (known == etag || known == "W/" + etag || known == "*") return true;
  return false;
}

void serve_openapi(const call_ptr& c, const openapi_documents::entry* document, bool for_ever,
                   std::string_view type = "application/json") {
  if (!document) return c->fail(unknown_path());
  header_list headers{{"ETag", document->etag}, {"Vary", "Accept"}};
  // The hash in the URL names this very text: clients may keep it.
  if (for_ever
      && c->query().get("hash") == std::string_view{document->etag}.substr(1, document->etag.size() - 2)) {
    headers.emplace_back("Cache-Control", "public, immutable");
    headers.emplace_back("Expires", http_date(c->state->now() + std::chrono::hours{24 * 365}));
  } else {
    headers.emplace_back("Cache-Control", "no-cache, private");
  }
  if (client_has(c->request(), document->etag)) {
    c->exchange->respond(304, type, std::string{}, headers);
    return;
  }
  c->exchange->respond(200, type, document->text, headers);
}

void serve_groups(const call_ptr& c, bool core) {
  auto form = negotiate_discovery(c->request().headers.get("Accept"));
  if (form.aggregated)
    return c->answer(200, aggregated_discovery(core, form.version), aggregated_content_type(form.version));
  c->answer(200, core ? api_versions_document(c->state->settings.server_address) : api_group_list_document());
}

/// How tokens of service accounts are verified, for who was given one. Source: OpenIDMetadataServer.
void serve_openid(const call_ptr& c, bool keys) {
  auto& tokens = c->state->settings.tokens;
  if (!tokens) return c->fail(unknown_path());
  auto text = keys ? tokens->key_set()
                   : boost::json::serialize(boost::json::object{
                       {"issuer", token_issuer_name},
                       {"jwks_uri", "https://" + c->state->settings.server_address + "/openid/v1/jwks"},
                       {"response_types_supported", {"id_token"}},
                       {"subject_types_supported", {"public"}},
                       {"id_token_signing_alg_values_supported", {"ES256"}}});
  c->exchange->respond(200, keys ? "application/jwk-set+json" : "application/json", std::move(text),
                       {{"Cache-Control", "public, max-age=3600"}});
}

void serve_health(const call_ptr& c) {
  bool ready = c->state->ready || !c->request().path.starts_with("/readyz");
  if (c->query().has("verbose"))
    return c->answer(ready ? 200 : 500,
                     ready ? "[+]ping ok\n[+]registry ok\ncheck passed\n"
                           : "[-]registry failed: not ready\ncheck failed\n",
                     "text/plain; charset=utf-8");
  c->answer(ready ? 200 : 500, ready ? "ok" : "not ready", "text/plain; charset=utf-8");
}

} // namespace

void serve_discovery(const call_ptr& c) {
  auto& to = c->to;
  switch (to.kind) {
  case route_kind::health:
    return serve_health(c);
  case route_kind::version:
    return c->answer(200, version_document(c->state->settings.git_version));
  case route_kind::api_versions:
    return serve_groups(c, true);
  case route_kind::api_groups:
    return serve_groups(c, false);
  case route_kind::api_group:
    return c->answer(200, api_group_document(to.group));
  case route_kind::resource_list:
    return c->answer(200, api_resource_list_document(to.group, to.version));
  case route_kind::openid_configuration:
    return serve_openid(c, false);
  case route_kind::openid_keys:
    return serve_openid(c, true);
  case route_kind::openapi_v2:
    return serve_openapi(c, &c->state->openapi.v2(), false, openapi_v2_content_type);
  case route_kind::openapi_index:
    return serve_openapi(c, &c->state->openapi.index(), false);
  case route_kind::openapi_group:
    return serve_openapi(c, c->state->openapi.find(to.group, to.version), true);
  default:
    return c->fail(unknown_path());
  }
}

} // namespace podium::api
