#include "api/route.hpp"

#include "runtime/http/message.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace podium::api {
namespace {

/// The decoded segments; nothing for broken escapes, empty inner segments, and names that could climb.
std::optional<std::vector<std::string>> segments_of(std::string_view path) {
  std::vector<std::string> out;
  if (!path.starts_with('/')) return {};
  path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  while (!path.empty()) {
    auto slash = path.find('/');
    auto piece = percent_decode(path.substr(0, slash));
    if (!piece || piece->empty() || *piece == "." || *piece == ".." || piece->find('/') != std::string::npos)
      return {};
    out.push_back(std::move(*piece));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
    if (path.empty()) return {};
  }
  return out;
}

bool known_group(std::string_view group) {
  auto all = all_group_versions();
  return !group.empty() && std::any_of(all.begin(), all.end(), [&](auto& gv) { return gv.group == group; });
}

bool known_group_version(std::string_view group, std::string_view version) {
  auto all = all_group_versions();
  return std::find(all.begin(), all.end(), group_version{group, version}) != all.end();
}

/// Below a group and version: [namespaces/NS/]RES[/NAME[/SUB]]. "namespaces/NS" alone is the namespace
/// itself, and so is "namespaces/NS/status", as long as no resource has a subresource's name.
route below(route r, const std::vector<std::string>& s, size_t at) {
  auto count = s.size() - at;
  if (count == 0) {
    if (!known_group_version(r.group, r.version)) return {};
    r.kind = route_kind::resource_list;
    return r;
  }
  bool scoped = false;
  if (s[at] == "namespaces" && count >= 3 && find_resource(r.group, r.version, s[at + 2])) {
    scoped = true;
    r.ns = s[at + 1];
    at += 2;
    count -= 2;
  }
  auto* res = find_resource(r.group, r.version, s[at]);
  if (!res || (scoped && !res->namespaced) || count > 3) return {};
  r.res = res;
  if (count == 1) {
    r.kind = route_kind::collection;
    return r;
  }
  if (res->namespaced && !scoped) return {};
  r.name = s[at + 1];
  r.kind = route_kind::object;
  if (count == 3) {
    r.sub = res->find_subresource(s[at + 2]);
    if (!r.sub) return {};
    r.kind = route_kind::subresource;
  }
  return r;
}

route openapi(const std::vector<std::string>& s) {
  route r;
  if (s.size() == 2 && s[1] == "v2") r.kind = route_kind::openapi_v2;
  if (s.size() == 2 && s[1] == "v3") r.kind = route_kind::openapi_index;
  if (s.size() == 4 && s[1] == "v3" && s[2] == "api" && s[3] == "v1")
    return {.kind = route_kind::openapi_group, .group = "", .version = "v1"};
  if (s.size() == 5 && s[1] == "v3" && s[2] == "apis" && known_group_version(s[3], s[4]))
    return {.kind = route_kind::openapi_group, .group = s[3], .version = s[4]};
  return r;
}

} // namespace

route parse_route(std::string_view raw_path) {
  auto parsed = segments_of(raw_path);
  if (!parsed || parsed->empty()) return {};
  auto& s = *parsed;
  if (s[0] == "healthz" || s[0] == "livez" || s[0] == "readyz") {
    if (s.size() > 2) return {};
    return {.kind = route_kind::health, .rest = s.size() == 2 ? s[1] : ""};
  }
  if (s[0] == "version" && s.size() == 1) return {.kind = route_kind::version};
  if (s[0] == "openapi") return openapi(s);
  if (s.size() == 2 && s[0] == ".well-known" && s[1] == "openid-configuration")
    return {.kind = route_kind::openid_configuration};
  if (s.size() == 3 && s[0] == "openid" && s[1] == "v1" && s[2] == "jwks")
    return {.kind = route_kind::openid_keys};
  if (s[0] == "api") {
    if (s.size() == 1) return {.kind = route_kind::api_versions};
    if (s[1] != "v1") return {};
    return below({.group = "", .version = "v1"}, s, 2);
  }
  if (s[0] != "apis") return {};
  if (s.size() == 1) return {.kind = route_kind::api_groups};
  if (s.size() == 2 && known_group(s[1])) return {.kind = route_kind::api_group, .group = s[1]};
  if (s.size() == 2 || !serves(s[1], s[2])) return {};
  return below({.group = s[1], .version = s[2]}, s, 3);
}

} // namespace podium::api
