#include "actors/service_account_controller.hpp"

#include "tests/actors/registry_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {
struct world : registry_world {
  service_account_controller_actor controller;
  world() { begin("one"); }
  ~world() { end(); }
  void begin(const std::string& certificate) {
    controller = spawn_service_account_controller(*sys, env, registry, certificate);
    run_for(1ms);
  }
  void end() {
    caf::anon_send_exit(controller, caf::exit_reason::kill);
    controller = nullptr;
    run_for(0s);
  }
  object_ref account(const std::string& ns) const { return find({"serviceaccounts", ns, "default"}); }
  object_ref certificate(const std::string& ns) const { return find({"configmaps", ns, "kube-root-ca.crt"}); }
};
} // namespace

BOOST_FIXTURE_TEST_SUITE(service_account_controller_suite, world)

BOOST_AUTO_TEST_CASE(every_namespace_is_given_both) {
  for (auto ns : {"default", "kube-system"}) {
    BOOST_TEST(bool(account(ns)), ns);
    BOOST_TEST(at(certificate(ns), "/data/ca.crt") == "one");
  }
  create({"namespaces", "", "team"}, {{"metadata", {{"name", "team"}}}});
  run_for(1ms);
  BOOST_TEST(bool(account("team")));
  BOOST_TEST(bool(certificate("team")));
}

BOOST_AUTO_TEST_CASE(what_is_deleted_or_changed_comes_back) {
  auto before = account("default")->uid();
  remove(account("default")->key());
  run_for(1ms);
  BOOST_REQUIRE(bool(account("default")));
  BOOST_TEST(account("default")->uid() != before);
  auto document = certificate("default")->document();
  document.as_object()["data"] = {{"ca.crt", "another"}, {"more", "x"}};
  update(certificate("default")->key(), document);
  run_for(1ms);
  BOOST_TEST(at(certificate("default"), "/data") == R"({"ca.crt":"one"})");
}

BOOST_AUTO_TEST_CASE(a_new_certificate_reaches_all) {
  end();
  begin("two");
  BOOST_TEST(at(certificate("default"), "/data/ca.crt") == "two");
  BOOST_TEST(at(certificate("kube-system"), "/data/ca.crt") == "two");
}

BOOST_AUTO_TEST_CASE(a_namespace_that_ends_is_left_alone) {
  object_key ns{"namespaces", "", "team"};
  create(ns, {{"metadata", {{"name", "team"}}}});
  run_for(1ms);
  remove(ns);
  remove(account("team")->key());
  run_for(2s);
  BOOST_TEST(!account("team"));
}

BOOST_AUTO_TEST_SUITE_END()
