#include "tests/api/api_world.hpp"

using namespace podium;
using namespace podium::test;

BOOST_FIXTURE_TEST_SUITE(eviction_suite, api_world)

namespace {
std::string eviction(const std::string& name, const std::string& options = "{}",
                     const std::string& version = "policy/v1") {
  return R"({"kind":"Eviction","apiVersion":")" + version + R"(","metadata":{"name":")" + name
         + R"(","namespace":"default"},"deleteOptions":)" + options + "}";
}
} // namespace

BOOST_AUTO_TEST_CASE(an_evicted_pod_says_so_and_goes) {
  for (std::string version : {"policy/v1", "policy/v1beta1"})
    BOOST_TEST_CONTEXT(version) {
      make_running_pod("p");
      auto done = post(pods + "/p/eviction", eviction("p", R"({"gracePeriodSeconds":7})", version));
      BOOST_TEST(done.status == 201);
      BOOST_TEST(done.at("/kind") == "Status");
      BOOST_TEST(done.at("/status") == "Success");
      auto going = get(pods + "/p");
      BOOST_TEST(going.at("/metadata/deletionGracePeriodSeconds") == "7");
      BOOST_TEST(going.body.find("EvictionByEvictionAPI") != std::string::npos);
      send("DELETE", pods + "/p?gracePeriodSeconds=0");
      BOOST_TEST(get(pods + "/p").status == 404);
    }
}

BOOST_AUTO_TEST_CASE(evictions_are_judged_before_they_are_done) {
  make_running_pod("p");
  BOOST_TEST(post(pods + "/nope/eviction", eviction("nope")).at("/message") == "pods \"nope\" not found");
  BOOST_TEST(post(pods + "/p/eviction", eviction("q")).at("/message")
             == "name in URL does not match name in Eviction object");
  BOOST_TEST(post(pods + "/p/eviction", eviction("p", R"({"preconditions":{"uid":"x"}})")).status == 409);
  BOOST_TEST(post(pods + "/p/eviction", eviction("p", R"({"preconditions":{"resourceVersion":"1"}})")).status
             == 409);
  BOOST_TEST(post(pods + "/p/eviction?dryRun=All", eviction("p")).status == 201);
  BOOST_TEST(post(pods + "/p/eviction", eviction("p", R"({"dryRun":["All"]})")).status == 201);
  BOOST_TEST(post(pods + "/p/eviction", eviction("p", R"({"propagationPolicy":"x"})")).status == 422);
  BOOST_TEST(get(pods + "/p/eviction").status == 405);
  auto pod = get(pods + "/p");
  BOOST_TEST(pod.at("/metadata/deletionTimestamp") == "");
  BOOST_TEST(pod.body.find("DisruptionTarget") == std::string::npos);
  auto fits = R"({"preconditions":{"resourceVersion":")" + pod.at("/metadata/resourceVersion") + R"("}})";
  BOOST_TEST(post(pods + "/p/eviction", eviction("p", fits)).status == 201);
  BOOST_TEST(get(pods + "/p").at("/metadata/deletionTimestamp") != "");
}

BOOST_AUTO_TEST_CASE(a_pod_that_never_ran_goes_at_once) {
  post(pods, pod_text("p"));
  BOOST_TEST(post(pods + "/p/eviction", eviction("p")).status == 201);
  BOOST_TEST(get(pods + "/p").status == 404);
}

BOOST_AUTO_TEST_CASE(discovery_names_the_group_of_evictions) {
  auto list = get("/api/v1").json();
  bool found = false;
  for (auto& r : list.at("resources").as_array())
    if (r.at("name") == json::value("pods/eviction")) {
      found = true;
      BOOST_TEST(reply::text_at(r, "/group") == "policy");
      BOOST_TEST(reply::text_at(r, "/version") == "v1");
      BOOST_TEST(reply::text_at(r, "/kind") == "Eviction");
    }
  BOOST_TEST(found);
  // kubectl 1.20 looks for the group before it looks for the subresource.
  BOOST_TEST(get("/apis/policy").at("/preferredVersion/groupVersion") == "policy/v1");
  auto budgets = get("/apis/policy/v1/namespaces/default/poddisruptionbudgets");
  BOOST_TEST(budgets.at("/kind") == "PodDisruptionBudgetList");
  BOOST_TEST(budgets.json().at("items").as_array().empty());
  BOOST_TEST(post("/apis/policy/v1/namespaces/default/poddisruptionbudgets", "{}").status == 405);
}

BOOST_AUTO_TEST_SUITE_END()
