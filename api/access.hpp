// Who asks, what for, and whether they may: rules in the manner of Kubernetes' RBAC. Pure.
#pragma once
#include "config/settings.hpp"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace podium {
struct http_request;
}

namespace podium::api {

/// Who asks.
struct user_info {
  std::string name, uid;
  std::vector<std::string> groups;
  std::map<std::string, std::vector<std::string>> extra; ///< of impersonation
};

/// What is asked, as an authorizer sees it.
struct request_attributes {
  std::string verb; ///< get, list, watch, create, update, patch, delete, deletecollection, impersonate
  std::string group, version, resource, subresource, ns, name;
  std::string path; ///< of requests that are about no resource

  bool about_resource() const { return !resource.empty(); }
};

/// Reads method, path and query as Kubernetes does, whether or not the resource is served. Source:
/// RequestInfoFactory.
request_attributes attributes_of(const http_request& request);

/// `User "u" cannot list resource "pods" in API group "" in the namespace "default"`, or `… cannot get path
/// "/metrics"`.
std::string forbidden_text(const user_info& user, const request_attributes& asked);

/// The rules of the settings, after those that always stand: system:masters may do all, and who is
/// authenticated may look at discovery, version and health, and review himself; service accounts may read how
/// their tokens are verified.
class access_policy {
public:
  using rule = config::access_rule;

  explicit access_policy(const std::vector<rule>& rules = {});

  bool allows(const user_info& user, const request_attributes& asked) const;
  /// The rules that are about `user` and stand in namespace `ns`, in order.
  std::vector<const rule*> rules_of(const user_info& user, std::string_view ns) const;

private:
  std::vector<rule> rules_;
};

} // namespace podium::api
