#include "api/printers.hpp"
#include "api/resources.hpp"

namespace podium::api {
namespace {

resource review(std::string_view plural, std::string_view singular, std::string_view kind,
                std::string_view group) {
  return {.plural = plural,
          .singular = singular,
          .kind = kind,
          .group = group,
          .version = "v1",
          .namespaced = false,
          .verbs = v_create,
          .printer = &plain_printer,
          .source = resource_source::review};
}

resource metrics(std::string_view plural, std::string_view singular, std::string_view kind, bool namespaced) {
  return {.plural = plural,
          .singular = singular,
          .kind = kind,
          .group = "metrics.k8s.io",
          .version = "v1beta1",
          .namespaced = namespaced,
          .verbs = v_get | v_list,
          .printer = &usage_printer,
          .stored_as = plural, // of whom they are
          .source = resource_source::metrics};
}

/// A kind nobody can make: its lists are empty. `stored_as` must be a name of its own.
resource absent(std::string_view plural, std::string_view singular, std::string_view kind,
                std::string_view group, std::string_view stored_as) {
  return {.plural = plural,
          .singular = singular,
          .kind = kind,
          .group = group,
          .version = "v1",
          .verbs = read_verbs,
          .printer = &plain_printer,
          .stored_as = stored_as};
}

} // namespace

std::vector<resource> unstored_resources() {
  std::vector<resource> out;
  // `kubectl cluster-info` looks for the services of kube-system.
  auto& services = out.emplace_back(absent("services", "service", "Service", "", "services"));
  services.short_names = {"svc"};
  services.categories = {"all"};
  // kubectl before 1.22 evicts only where there is a group policy; 1.32 lists the budgets when it is told to.
  auto& budgets = out.emplace_back(absent("poddisruptionbudgets", "poddisruptionbudget",
                                          "PodDisruptionBudget", "policy", "poddisruptionbudgets.policy"));
  budgets.short_names = {"pdb"};
  constexpr std::string_view authentication = "authentication.k8s.io", authorization = "authorization.k8s.io";
  out.push_back(review("selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", authentication));
  out.push_back(review("tokenreviews", "tokenreview", "TokenReview", authentication));
  out.push_back(review("selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview",
                       authorization));
  auto& local = out.emplace_back(review("localsubjectaccessreviews", "localsubjectaccessreview",
                                        "LocalSubjectAccessReview", authorization));
  local.namespaced = true;
  out.push_back(
      review("selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview", authorization));
  out.push_back(review("subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview", authorization));
  out.push_back(metrics("nodes", "", "NodeMetrics", false));
  out.push_back(metrics("pods", "", "PodMetrics", true));
  return out;
}

std::vector<resource> unlisted_resources() {
  auto crds = absent("customresourcedefinitions", "customresourcedefinition", "CustomResourceDefinition",
                     "apiextensions.k8s.io", "customresourcedefinitions.apiextensions.k8s.io");
  crds.namespaced = false;
  return {
      absent("replicationcontrollers", "replicationcontroller", "ReplicationController", "",
             "replicationcontrollers"),
      absent("resourcequotas", "resourcequota", "ResourceQuota", "", "resourcequotas"),
      absent("limitranges", "limitrange", "LimitRange", "", "limitranges"),
      absent("daemonsets", "daemonset", "DaemonSet", "apps", "daemonsets.apps"),
      absent("deployments", "deployment", "Deployment", "apps", "deployments.apps"),
      absent("replicasets", "replicaset", "ReplicaSet", "apps", "replicasets.apps"),
      // `kubectl create -f` of a kind it does not know asks whether some CRD has it.
      crds,
  };
}

} // namespace podium::api
