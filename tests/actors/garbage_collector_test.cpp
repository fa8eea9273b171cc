#include "actors/garbage_collector.hpp"

#include "tests/actors/registry_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {

struct world : registry_world {
  garbage_collector_actor collector;
  world() {
    collector = spawn_garbage_collector(*sys, env, registry,
                                        {{"configmaps", "v1", "ConfigMap", true},
                                         {"replicasets.apps", "apps/v1", "ReplicaSet", true},
                                         {"nodes", "v1", "Node", false}});
    run_for(1ms);
  }
  ~world() { end_collector(); }
  void end_collector() {
    caf::anon_send_exit(collector, caf::exit_reason::kill);
    run_for(0s);
  }

  static object_key config(const std::string& name, const std::string& ns = "default") {
    return {"configmaps", ns, name};
  }
  static json::object owned_by(const object_ref& owner, bool blocks = false) {
    auto document = owner->document().as_object();
    return {{"apiVersion", document["apiVersion"]},
            {"kind", document["kind"]},
            {"name", owner->key().name},
            {"uid", owner->uid()},
            {"blockOwnerDeletion", blocks}};
  }
  object_ref make(object_key key, json::array owners = {}, json::array finalizers = {}) {
    auto is_config = key.resource == "configmaps", is_node = key.resource == "nodes";
    json::object meta{{"name", key.name}};
    if (!owners.empty()) meta["ownerReferences"] = std::move(owners);
    if (!finalizers.empty()) meta["finalizers"] = std::move(finalizers);
    return *create(key, {{"apiVersion", is_config || is_node ? "v1" : "apps/v1"},
                         {"kind", is_config ? "ConfigMap"
                                  : is_node ? "Node"
                                            : "ReplicaSet"},
                         {"metadata", std::move(meta)}})
                .
                operator->();
  }
  got<delete_result> remove_by(const object_key& key, const std::string& policy) {
    auto request = deletion(key);
    request.propagation_policy = policy;
    return call<delete_result>(std::move(request));
  }
  /// Another client takes all finalizers away.
  void let_go(const object_key& key) {
    auto document = find(key)->document();
    document.as_object()["metadata"].as_object().erase("finalizers");
    BOOST_TEST(update(key, std::move(document)).why() == "");
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(garbage_collector_suite, world)

BOOST_AUTO_TEST_CASE(what_nobody_owns_any_more_goes) {
  object_key set{"replicasets.apps", "default", "set"};
  auto owner = make(set);
  make(config("child"), {owned_by(owner)});
  make(config("grandchild"), {owned_by(find(config("child")))});
  make(config("free"));
  run_for(1ms);
  BOOST_TEST(bool(find(config("child"))));
  remove_by(set, "Background");
  run_for(1ms);
  BOOST_TEST(!find(config("child")));
  BOOST_TEST(!find(config("grandchild")));
  BOOST_TEST(bool(find(config("free"))));
}

BOOST_AUTO_TEST_CASE(who_has_another_owner_loses_the_reference_only) {
  auto first = make(config("first")), second = make(config("second"));
  make(config("child"), {owned_by(first), owned_by(second)});
  remove(config("first"));
  run_for(1ms);
  BOOST_TEST(at(find(config("child")), "/metadata/ownerReferences/0/name") == "second");
  BOOST_TEST(at(find(config("child")), "/metadata/ownerReferences/1") == "");
}

BOOST_AUTO_TEST_CASE(references_that_mean_nobody) {
  create({"namespaces", "", "other"}, {{"metadata", {{"name", "other"}}}});
  auto owner = make(config("owner"));
  auto ref = owned_by(owner);
  make(config("abroad", "other"), {ref});
  ref["name"] = "misnamed";
  make(config("misnamed"), {ref});
  ref["uid"] = "never-was";
  make(config("never"), {ref});
  // Kinds that are not served are not judged, nor is a cluster-wide object that a namespaced one is to own.
  ref["kind"] = "Gadget";
  make(config("gadget"), {ref});
  make({"nodes", "", "n"}, {owned_by(owner)});
  run_for(1ms);
  for (auto& key : {config("abroad", "other"), config("misnamed"), config("never")})
    BOOST_TEST(!find(key), key.name);
  BOOST_TEST(bool(find(config("gadget"))));
  BOOST_TEST(bool(find({"nodes", "", "n"})));
  // A cluster-wide owner is one for every namespace.
  make(config("of-node", "other"), {owned_by(find({"nodes", "", "n"}))});
  run_for(1ms);
  BOOST_TEST(bool(find(config("of-node", "other"))));
  remove({"nodes", "", "n"});
  run_for(1ms);
  BOOST_TEST(!find(config("of-node", "other")));
}

BOOST_AUTO_TEST_CASE(foreground_waits_for_those_that_block) {
  auto owner = make(config("owner"));
  make(config("blocks"), {owned_by(owner, true)}, {"example.com/held"});
  make(config("held"), {owned_by(owner)}, {"example.com/held"});
  make(config("plain"), {owned_by(owner, true)});
  auto marked = remove_by(config("owner"), "Foreground");
  BOOST_TEST(!marked->removed);
  BOOST_TEST(at(marked->object, "/metadata/finalizers") == R"(["foregroundDeletion"])");
  run_for(1ms);
  BOOST_TEST(!find(config("plain")));
  BOOST_TEST(at(find(config("blocks")), "/metadata/deletionTimestamp") != "");
  BOOST_TEST(at(find(config("held")), "/metadata/deletionTimestamp") != "");
  BOOST_TEST(bool(find(config("owner"))));
  let_go(config("blocks"));
  run_for(1ms);
  BOOST_TEST(!find(config("owner")));
  BOOST_TEST(bool(find(config("held")))); // it blocks nobody
}

BOOST_AUTO_TEST_CASE(foreground_goes_down_all_the_way) {
  auto top = make(config("top"));
  auto middle = make(config("middle"), {owned_by(top, true)});
  make(config("bottom"), {owned_by(middle, true)}, {"example.com/held"});
  remove_by(config("top"), "Foreground");
  run_for(1ms);
  BOOST_TEST(at(find(config("middle")), "/metadata/finalizers") == R"(["foregroundDeletion"])");
  let_go(config("bottom"));
  run_for(1ms);
  for (auto name : {"top", "middle", "bottom"})
    BOOST_TEST(!find(config(name)), name);
}

BOOST_AUTO_TEST_CASE(a_circle_of_owners_goes_too) {
  auto a = make(config("a"));
  auto b = make(config("b"), {owned_by(a, true)});
  auto document = a->document();
  document.as_object()["metadata"].as_object()["ownerReferences"] = json::array{owned_by(b, true)};
  update(config("a"), std::move(document));
  run_for(1ms);
  remove_by(config("a"), "Foreground");
  run_for(5s);
  BOOST_TEST(!find(config("a")));
  BOOST_TEST(!find(config("b")));
}

BOOST_AUTO_TEST_CASE(orphans_stay_without_the_reference) {
  auto owner = make(config("owner")), other = make(config("other"));
  make(config("child"), {owned_by(owner, true)});
  make(config("shared"), {owned_by(other), owned_by(owner)});
  BOOST_TEST(!remove_by(config("owner"), "Orphan")->removed);
  run_for(1ms);
  BOOST_TEST(!find(config("owner")));
  BOOST_TEST(at(find(config("child")), "/metadata/ownerReferences") == "");
  BOOST_TEST(at(find(config("child")), "/metadata/deletionTimestamp") == "");
  BOOST_TEST(at(find(config("shared")), "/metadata/ownerReferences/0/name") == "other");
}

BOOST_AUTO_TEST_CASE(what_went_unseen_is_found_at_a_start) {
  end_collector();
  auto owner = make(config("owner")), waits = make(config("waits"));
  make(config("child"), {owned_by(owner)});
  make(config("blocks"), {owned_by(waits, true)});
  remove(config("owner"));
  remove_by(config("waits"), "Foreground");
  collector = spawn_garbage_collector(*sys, env, registry, {{"configmaps", "v1", "ConfigMap", true}});
  run_for(1ms);
  for (auto name : {"child", "waits", "blocks"})
    BOOST_TEST(!find(config(name)), name);
}

BOOST_AUTO_TEST_CASE(what_the_registry_says_may_be_lost_late_or_doubled) {
  struct bad_line : fault_filter {
    mutable random_stream random;
    explicit bad_line(uint64_t seed) : random(seed) {}
    fault_verdict judge(std::string_view receiver, const caf::mailbox_element&) const override {
      if (receiver != "garbage-collector") return {};
      auto draw = random.below(100);
      if (draw < 20) return {fault_verdict::kind::drop, {}};
      if (draw < 40) return {fault_verdict::kind::duplicate, {}};
      auto ms = random.below(5'000);
      if (draw < 60) return {fault_verdict::kind::delay, std::chrono::milliseconds{ms}};
      return {};
    }
  };
  for (uint64_t seed = 1; seed <= 20; ++seed)
    BOOST_TEST_CONTEXT("seed " << seed) {
      bad_line faults{seed};
      env->set_faults(&faults);
      auto top = make(config("top"));
      auto middle = make(config("middle"), {owned_by(top, true)});
      make(config("bottom"), {owned_by(middle, true)});
      auto lets_go = make(config("lets-go"));
      make(config("orphan"), {owned_by(lets_go, true)});
      remove_by(config("top"), "Foreground");
      remove_by(config("lets-go"), "Orphan");
      run_for(600s);
      env->set_faults(nullptr);
      for (auto name : {"top", "middle", "bottom", "lets-go"})
        BOOST_TEST(!find(config(name)), name);
      BOOST_TEST(at(find(config("orphan")), "/metadata/ownerReferences") == "");
      BOOST_TEST(at(find(config("orphan")), "/metadata/deletionTimestamp") == "");
      remove(config("orphan"));
    }
}

BOOST_AUTO_TEST_SUITE_END()
