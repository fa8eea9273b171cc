// Bytes that are no text, and times beyond any clock: what clients may send besides a broken body.
#include "api_world.hpp"
#include "core/utf8.hpp"
#include "protobuf_writer.hpp"

using namespace podium;
using namespace podium::test;

namespace {

/// That the pod can be read and changed, and that it is text.
void is_whole(api_world& world, const std::string& name) {
  auto found = world.get(world.pods + "/" + name);
  BOOST_TEST(found.status == 200);
  BOOST_TEST(utf8_prefix(found.body) == found.body.size());
  auto changed =
      world.patch(world.pods + "/" + name, "merge-patch", R"({"metadata":{"labels":{"touched":"1"}}})");
  BOOST_TEST(changed.status == 200, changed.body);
  BOOST_TEST(changed.at("/metadata/labels/touched") == "1");
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(hostile_text_suite, api_world)

BOOST_AUTO_TEST_CASE(a_manager_that_is_no_text) {
  auto made = post(pods + "?fieldManager=%ff%fe", pod_text("p"));
  BOOST_TEST(made.status == 201, made.body);
  BOOST_TEST(made.at("/metadata/managedFields/0/manager") == "\xEF\xBF\xBD\xEF\xBF\xBD");
  is_whole(*this, "p");
}

BOOST_AUTO_TEST_CASE(a_client_whose_name_is_no_text) {
  auto made = send("POST", pods, pod_text("p"),
                   {{"Content-Type", "application/json"}, {"User-Agent", "\xff\xfe/1.0"}});
  BOOST_TEST(made.status == 201, made.body);
  BOOST_TEST(made.at("/metadata/managedFields/0/manager") == "\xEF\xBF\xBD\xEF\xBF\xBD");
  is_whole(*this, "p");
  // 127 bytes and a character of two: a name ends before what does not fit.
  auto long_name = std::string(127, 'x') + "\xC2\xA2";
  auto cut = send("POST", pods, pod_text("q"),
                  {{"Content-Type", "application/json"}, {"User-Agent", long_name + "/1.0"}});
  BOOST_TEST(cut.at("/metadata/managedFields/0/manager") == std::string(127, 'x'));
  is_whole(*this, "q");
}

BOOST_AUTO_TEST_CASE(protobuf_strings_that_are_no_text) {
  json::object space{{"metadata", {{"name", "team"}, {"annotations", {{"a", "\xff"}}}}}};
  auto made = send("POST", "/api/v1/namespaces", write_protobuf({"", "v1", "Namespace"}, space),
                   {{"Content-Type", "application/vnd.kubernetes.protobuf"}});
  BOOST_TEST(made.status == 201, made.body);
  BOOST_TEST(made.at("/metadata/annotations/a") == "\xEF\xBF\xBD");
  auto changed = patch("/api/v1/namespaces/team", "merge-patch", R"({"metadata":{"labels":{"b":"1"}}})");
  BOOST_TEST(changed.status == 200, changed.body);
}

BOOST_AUTO_TEST_CASE(refusals_are_text) {
  for (auto path : {"/api/v1/namespaces/default/pods/%ff", "/api/v1/pods?labelSelector=%ff",
                    "/api/v1/pods?fieldSelector=%ff", "/api/v1/pods?resourceVersion=%ff"}) {
    auto refused = get(path);
    BOOST_TEST(refused.status >= 400);
    BOOST_TEST(refused.json().is_object(), refused.body);
  }
}

BOOST_AUTO_TEST_CASE(a_grace_beyond_all_clocks) {
  make_running_pod("p");
  auto gone = send("DELETE", pods + "/p?gracePeriodSeconds=9223372036854775807");
  BOOST_TEST(gone.status == 200, gone.body);
  BOOST_TEST(gone.at("/metadata/deletionGracePeriodSeconds") == "2147483647");
  BOOST_TEST(gone.at("/metadata/deletionTimestamp").substr(0, 2) == "20");
  BOOST_TEST(gone.at("/metadata/deletionTimestamp") > "2090");
}

BOOST_AUTO_TEST_SUITE_END()
