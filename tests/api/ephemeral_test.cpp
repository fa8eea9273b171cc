// pods/ephemeralcontainers: what `kubectl debug` writes.
#include "tests/api/api_world.hpp"

using namespace podium;
using namespace podium::test;

BOOST_FIXTURE_TEST_SUITE(ephemeral_suite, api_world)

namespace {
std::string patch_of(const std::string& containers) {
  return R"({"spec":{"ephemeralContainers":[)" + containers + R"(]}})";
}
} // namespace

BOOST_AUTO_TEST_CASE(they_come_by_patch_and_stay) {
  make_running_pod("p");
  auto path = pods + "/p/ephemeralcontainers";
  auto main = std::string(get(pods + "/p").json().at("spec").at("containers").at(0).at("name").as_string());
  auto container = R"({"name":"d","image":"busybox","targetContainerName":")" + main + R"("})";
  auto add = [&](const std::string& containers) {
    return patch(path, "strategic-merge-patch", patch_of(containers));
  };
  auto made = add(container);
  BOOST_TEST(made.status == 200, made.body);
  BOOST_TEST(made.at("/kind") == "Pod");
  // Defaulted as any container.
  BOOST_TEST(made.at("/spec/ephemeralContainers/0/terminationMessagePolicy") == "File");
  BOOST_TEST(made.at("/spec/ephemeralContainers/0/imagePullPolicy") == "Always");
  BOOST_TEST(get(path).at("/spec/ephemeralContainers/0/name") == "d");
  // A second one joins it.
  BOOST_TEST(add(R"({"name":"e","image":"busybox"})").status == 200);
  BOOST_TEST(get(path).json().at("spec").at("ephemeralContainers").as_array().size() == 2u);
  // What else the body says is not heard.
  auto other =
      patch(path, "merge-patch", R"({"metadata":{"labels":{"x":"y"}},"spec":{"nodeName":"elsewhere"}})");
  BOOST_TEST(other.status == 200, other.body);
  BOOST_TEST(other.at("/metadata/labels/x") == "");
  BOOST_TEST(other.at("/spec/nodeName") != "elsewhere");
}

BOOST_AUTO_TEST_CASE(they_may_only_come) {
  make_running_pod("p");
  auto path = pods + "/p/ephemeralcontainers";
  auto replace = [&](const std::string& containers) {
    return patch(path, "merge-patch", patch_of(containers));
  };
  BOOST_TEST(replace(R"({"name":"d","image":"busybox"})").status == 200);
  struct row {
    const char *containers, *text;
  };
  for (auto& r :
       {row{"", "existing ephemeral containers \"d\" may not be removed"},
        row{R"({"name":"d","image":"other"})", "existing ephemeral containers \"d\" may not be changed"},
        row{R"({"name":"x","image":"b","ports":[{"containerPort":1}]})",
            "cannot be set for an Ephemeral Container"},
        row{R"({"name":"x","image":"b","livenessProbe":{"exec":{"command":["a"]}}})",
            "cannot be set for an Ephemeral Container"},
        row{R"({"name":"x","image":"b","resources":{"limits":{"cpu":"1"}}})",
            "cannot be set for an Ephemeral Container"},
        row{R"({"name":"x","image":"b","targetContainerName":"nobody"})", "Not found: \"nobody\""}}) {
    auto refused = replace(r.containers);
    BOOST_TEST(refused.status == 422, r.containers);
    BOOST_TEST(refused.at("/message").find(r.text) != std::string::npos, refused.body);
  }
  // The pod itself takes none, and its list does not change by a PUT of the rest.
  auto direct = patch(pods + "/p", "strategic-merge-patch", patch_of(R"({"name":"z","image":"b"})"));
  BOOST_TEST(direct.status == 422);
  BOOST_TEST(
      post(pods, R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"q"},"spec":{"containers":[{"name":"c",
      "image":"b"}],"ephemeralContainers":[{"name":"d","image":"b"}]}})")
          .status
      == 422);
}

BOOST_AUTO_TEST_CASE(discovery_names_them) {
  bool found = false;
  auto list = get("/api/v1").json();
  for (auto& r : list.at("resources").as_array())
    if (r.at("name") == boost::json::value("pods/ephemeralcontainers")) {
      found = true;
      BOOST_TEST(boost::json::serialize(r.at("verbs")) == R"(["get","patch","update"])");
      BOOST_TEST(reply::text_at(r, "/kind") == "Pod");
    }
  BOOST_TEST(found);
}

BOOST_AUTO_TEST_SUITE_END()
