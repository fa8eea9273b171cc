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
  BOOST_TEST(bool(find({"configmaps", "team", "c"}))); // the pod may still need it
  BOOST_TEST(at(find(pod_key("bound", "team")), "/metadata/deletionGracePeriodSeconds") == "30");
  BOOST_TEST(bool(find(ns))); // the pod has its grace
  auto refused = create({"configmaps", "team", "d"}, {{"metadata", {{"name", "d"}}}});
  BOOST_TEST((refused.code() == errc::forbidden));
  BOOST_TEST(refused.why()
             == "configmaps \"d\" is forbidden: unable to create new content in namespace team because it is "
                "being terminated");
  remove(pod_key("bound", "team"), 0); // the node is done with it
  run_for(3s);
  BOOST_TEST(!find({"configmaps", "team", "c"}));
  BOOST_TEST(!find(ns));
  BOOST_TEST(bool(find(pod_key("stays"))));
}

BOOST_AUTO_TEST_CASE(pods_go_first_and_the_status_says_what_is_left) {
  object_key ns{"namespaces", "", "team"}, map{"configmaps", "team", "c"};
  auto held = [](json::value document) {
    document.as_object()["metadata"].as_object()["finalizers"] = json::array{"x.io/y"};
    return document;
  };
  create(map, held({{"metadata", {{"name", "c"}}}}));
  create(pod_key("p", "team"), held(pod_document("p")));
  create(pod_key("q", "team"), pod_document("q"));
  remove(ns);
  run_for(3s);
  auto condition = [&](size_t i) {
    auto path = "/status/conditions/" + std::to_string(i);
    auto found = find(ns);
    return at(found, path + "/type") + " " + at(found, path + "/status") + " " + at(found, path + "/reason")
           + ": " + at(found, path + "/message");
  };
  BOOST_TEST(at(find(map), "/metadata/deletionTimestamp") == ""); // its turn comes after the pods'
  BOOST_TEST(!find(pod_key("q", "team")));
  BOOST_TEST(condition(2)
             == "NamespaceDeletionContentFailure False ContentDeleted: All content successfully "
                "deleted, may be waiting on finalization");
  BOOST_TEST(condition(3)
             == "NamespaceContentRemaining True SomeResourcesRemain: Some resources are remaining: "
                "pods. has 1 resource instances");
  BOOST_TEST(condition(4)
             == "NamespaceFinalizersRemaining True SomeFinalizersRemain: Some content in the "
                "namespace has finalizers remaining: x.io/y in 1 resource instances");
  auto version = find(ns)->resource_version();
  run_for(5s);
  BOOST_TEST(find(ns)->resource_version() == version); // nothing new to say
  auto pod = find(pod_key("p", "team"))->document();
  pod.as_object()["metadata"].as_object().erase("finalizers");
  update(pod_key("p", "team"), pod);
  run_for(3s);
  BOOST_TEST(at(find(map), "/metadata/deletionTimestamp") != "");
  BOOST_TEST(condition(3)
             == "NamespaceContentRemaining True SomeResourcesRemain: Some resources are remaining: "
                "configmaps. has 1 resource instances");
  auto released = find(map)->document();
  released.as_object()["metadata"].as_object().erase("finalizers");
  update(map, released);
  run_for(3s);
  BOOST_TEST(!find(ns));
}

BOOST_AUTO_TEST_CASE(a_namespace_that_is_held_says_that_nothing_is_in_it) {
  object_key ns{"namespaces", "", "team"};
  auto document = find(ns)->document();
  document.as_object()["metadata"].as_object()["finalizers"] = json::array{"x.io/y"};
  update(ns, document);
  remove(ns);
  run_for(2s);
  BOOST_TEST(at(find(ns), "/status/conditions/3/reason") == "ContentRemoved");
  BOOST_TEST(at(find(ns), "/status/conditions/3/status") == "False");
  document = find(ns)->document();
  document.as_object()["metadata"].as_object().erase("finalizers");
  update(ns, document);
  run_for(2s);
  BOOST_TEST(!find(ns));
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
