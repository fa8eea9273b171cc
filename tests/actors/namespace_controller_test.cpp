#include "actors/namespace_controller.hpp"

#include "tests/actors/registry_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {
struct world : registry_world {
  namespace_controller_actor controller;
  world() {
    controller = spawn_namespace_controller(*sys, env, registry, {"pods", "configmaps"});
    run_for(1ms);
    create({"namespaces", "", "team"}, {{"metadata", {{"name", "team"}}}});
  }
  ~world() {
    caf::anon_send_exit(controller, caf::exit_reason::kill);
    run_for(0s);
  }
};
} // namespace

BOOST_FIXTURE_TEST_SUITE(namespace_controller_suite, world)

BOOST_AUTO_TEST_CASE(a_namespace_goes_after_everything_in_it) {
  object_key ns{"namespaces", "", "team"};
  create({"configmaps", "team", "c"}, {{"metadata", {{"name", "c"}}}});
  create(pod_key("bound", "team"), pod_document("bound", {{"nodeName", "n1"}}));
  create(pod_key("stays"), pod_document("stays"));
  auto marked = remove(ns);
  BOOST_TEST(!marked->removed);
  BOOST_TEST(at(marked->object, "/status/phase") == "Terminating");
  run_for(3s);
  BOOST_TEST(!find({"configmaps", "team", "c"}));
  BOOST_TEST(at(find(pod_key("bound", "team")), "/metadata/deletionGracePeriodSeconds") == "30");
  BOOST_TEST(bool(find(ns))); // the pod has its grace
  auto refused = create({"configmaps", "team", "d"}, {{"metadata", {{"name", "d"}}}});
  BOOST_TEST((refused.code() == errc::forbidden));
  BOOST_TEST(refused.why()
             == "configmaps \"d\" is forbidden: unable to create new content in namespace team because it is "
                "being terminated");
  remove(pod_key("bound", "team"), 0); // the node is done with it
  run_for(3s);
  BOOST_TEST(!find(ns));
  BOOST_TEST(bool(find(pod_key("stays"))));
}

BOOST_AUTO_TEST_CASE(deleting_twice_does_not_skip_what_is_inside) {
  object_key ns{"namespaces", "", "team"};
  create(pod_key("bound", "team"), pod_document("bound", {{"nodeName", "n1"}}));
  remove(ns);
  BOOST_TEST(!remove(ns)->removed);
  BOOST_TEST(bool(find(ns)));
  run_for(5s);
  remove(pod_key("bound", "team"), 0);
  run_for(5s);
  BOOST_TEST(!find(ns));
  // The name can be used again.
  BOOST_TEST(create(ns, {{"metadata", {{"name", "team"}}}}).why() == "");
}

BOOST_AUTO_TEST_SUITE_END()
