#include "actors/scheduler.hpp"

#include "actors/event_recorder.hpp"
#include "actors/scheduler_queue.hpp"
#include "tests/actors/registry_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {

struct collecting_recorder : event_recorder_actor::base {
  std::vector<record_event>& events;
  collecting_recorder(caf::actor_config& cfg, std::vector<record_event>& out)
      : event_recorder_actor::base(cfg), events(out) {}
  behavior_type make_behavior() override {
    return {[this](const record_event& e) { events.push_back(e); }};
  }
};

/// Loses or doubles what passes between scheduler and registry, by a seed.
struct bad_line : fault_filter {
  mutable random_stream random;
  uint64_t percent;
  bad_line(uint64_t seed, uint64_t p) : random(seed), percent(p) {}
  fault_verdict judge(std::string_view receiver, const caf::mailbox_element& e) const override {
    if (receiver != "scheduler" && receiver != "registry") return {};
    if (receiver == "registry" && e.mid.is_response()) return {}; // the store's answers
    auto draw = random.below(100);
    if (draw < percent) return {fault_verdict::kind::drop, {}};
    if (draw < 2 * percent) return {fault_verdict::kind::duplicate, {}};
    if (draw < 3 * percent) {
      auto ms = random.below(3'000);
      return {fault_verdict::kind::delay, std::chrono::milliseconds{ms}};
    }
    return {};
  }
};

struct world : registry_world {
  std::vector<record_event> events;
  event_recorder_actor recorder;
  scheduler_actor scheduler;
  world() {
    recorder = sys->spawn<collecting_recorder>(events);
    scheduler = spawn_scheduler(*sys, env, registry, recorder);
    run_for(1ms);
  }
  ~world() {
    caf::anon_send_exit(scheduler, caf::exit_reason::kill);
    caf::anon_send_exit(recorder, caf::exit_reason::kill);
    run_for(0s);
  }
  void node(std::string name, std::string cpu, std::string ready = "True", json::object spec = {}) {
    object_key key{"nodes", "", name};
    json::value status{{"allocatable", {{"cpu", cpu}, {"memory", "8Gi"}, {"pods", "110"}}},
                       {"conditions", {{{"type", "Ready"}, {"status", ready}}}}};
    json::value document{
        {"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", name}}}, {"spec", spec}};
    auto stored = find(key);
    if (!stored)
      create(key, document);
    else
      update(key, document);
    this->status(key, status);
  }
  void pod(std::string name, std::string cpu, json::object spec = {}) {
    spec["containers"] = {{{"name", "c"}, {"resources", {{"requests", {{"cpu", cpu}}}}}}};
    create(pod_key(name), pod_document(name, spec));
    run_for(1ms);
  }
  std::string where(std::string name) { return at(find(pod_key(name)), "/spec/nodeName"); }
  std::string condition(std::string name, std::string field) {
    return at(find(pod_key(name)), "/status/conditions/0/" + field);
  }
  scheduler_stats stats() {
    auto out = ask<scheduler_stats>(scheduler, get_scheduler_stats{});
    run_for(0s);
    return *out->operator->();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(scheduler_suite, world)

BOOST_AUTO_TEST_CASE(a_pod_is_bound_and_said_so) {
  node("n1", "4");
  pod("p", "100m");
  BOOST_TEST(where("p") == "n1");
  BOOST_TEST(condition("p", "type") == "PodScheduled");
  BOOST_TEST(condition("p", "status") == "True");
  BOOST_REQUIRE(events.size() == 1u);
  BOOST_TEST(events[0].message == "Successfully assigned default/p to n1");
  BOOST_TEST(events[0].component == "default-scheduler");
  BOOST_TEST(stats().bound == 1u);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_waits_with_the_reason_and_goes_when_there_is_room) {
  node("n1", "1");
  pod("big", "100");
  BOOST_TEST(where("big") == "");
  BOOST_TEST(at(find(pod_key("big")), "/status/phase") == "Pending");
  BOOST_TEST(condition("big", "status") == "False");
  BOOST_TEST(condition("big", "reason") == "Unschedulable");
  BOOST_TEST(condition("big", "message")
             == "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No "
                "preemption victims found for incoming pod.");
  BOOST_REQUIRE(events.size() == 1u);
  BOOST_TEST(events[0].reason == "FailedScheduling");
  BOOST_TEST(events[0].type == "Warning");
  auto version = find(pod_key("big"))->resource_version();
  run_for(4min);
  BOOST_TEST(events.size() == 1u); // nothing that could help has happened
  run_for(2min);
  BOOST_TEST(events.size() == 2u); // the five minutes are over
  BOOST_TEST(find(pod_key("big"))->resource_version() == version);
  node("n2", "200");
  run_for(11s);
  BOOST_TEST(where("big") == "n2");
}

BOOST_AUTO_TEST_CASE(room_made_by_a_pod_that_ends_is_used_at_once) {
  node("n1", "1");
  pod("a", "800m");
  pod("b", "800m");
  BOOST_TEST(where("b") == "");
  run_for(5s);
  status(pod_key("a"), {{"phase", "Succeeded"}});
  run_for(10ms);
  BOOST_TEST(where("b") == "n1");
  pod("c", "800m");
  run_for(5s);
  remove(pod_key("b"), 0);
  run_for(10ms);
  BOOST_TEST(where("c") == "n1");
}

BOOST_AUTO_TEST_CASE(nodes_that_are_not_ready_or_not_for_all_are_left_alone) {
  node("n1", "4", "False");
  node("n2", "4", "True", {{"unschedulable", true}});
  node("n3", "4", "True", {{"taints", {{{"key", "k"}, {"value", "v"}, {"effect", "NoSchedule"}}}}});
  pod("p", "100m");
  BOOST_TEST(where("p") == "");
  BOOST_TEST(
      condition("p", "message")
          .starts_with("0/3 nodes are available: 1 node(s) had untolerated taint {k: v}, 1 node(s) had "
                       "untolerated taint "
                       "{node.kubernetes.io/not-ready: }, 1 node(s) were unschedulable. preemption: 0/3"));
  pod("tolerant", "100m", {{"tolerations", {{{"key", "k"}, {"operator", "Exists"}}}}});
  BOOST_TEST(where("tolerant") == "n3");
  run_for(2s);
  node("n1", "4");
  run_for(10ms);
  BOOST_TEST(where("p") == "n1");
}

BOOST_AUTO_TEST_CASE(others_pods_are_counted_and_not_touched) {
  node("n1", "1");
  pod("foreign", "100m", {{"schedulerName", "mine"}});
  BOOST_TEST(where("foreign") == "");
  bind("foreign", "n1");
  pod("static", "500m", {{"nodeName", "n1"}});
  pod("p", "500m");
  BOOST_TEST(where("p") == "");
  pod("q", "400m");
  BOOST_TEST(where("q") == "n1");
}

BOOST_AUTO_TEST_CASE(priority_decides_among_those_that_came_together) {
  disk->latency = 10ms; // all creates share one commit
  node("n1", "1");
  run_for(1s);
  for (int i = 0; i < 4; ++i) {
    auto name = "p" + std::to_string(i);
    json::object spec{{"priority", i},
                      {"containers", {{{"name", "c"}, {"resources", {{"requests", {{"cpu", "600m"}}}}}}}}};
    ask<object_ref>(registry, create_object{pod_key(name), make_document(pod_document(name, spec))});
  }
  run_for(1s);
  // The first came alone in its commit; of the other three the highest would be next.
  auto bound = 0;
  for (int i = 0; i < 4; ++i)
    bound += !where("p" + std::to_string(i)).empty();
  BOOST_TEST(bound == 1);
  run_for(10s);
  for (int i = 0; i < 4; ++i)
    if (!where("p" + std::to_string(i)).empty()) remove(pod_key("p" + std::to_string(i)), 0);
  run_for(12s);
  BOOST_TEST(where("p3") == "n1");
}

BOOST_AUTO_TEST_CASE(a_lost_bind_reply_costs_time_and_nothing_else) {
  struct lose_one : fault_filter {
    mutable int left = 0;
    std::string at;
    fault_verdict judge(std::string_view receiver, const caf::mailbox_element& e) const override {
      auto bind = receiver == "registry" && e.content().match_elements<bind_pod>();
      if (at == "request" && bind && left-- > 0) return {fault_verdict::kind::drop, {}};
      auto reply = receiver == "scheduler" && e.content().match_elements<object_ref>();
      if (at == "reply" && reply && left-- > 0) return {fault_verdict::kind::drop, {}};
      return {};
    }
  } faults;
  node("n1", "4");
  env->set_faults(&faults);
  faults.left = 1;
  faults.at = "reply";
  pod("a", "100m");
  BOOST_TEST(where("a") == "n1");
  BOOST_TEST(events.size() == 1u); // the watch told
  faults.left = 1;
  faults.at = "request";
  pod("b", "100m");
  BOOST_TEST(where("b") == "");
  run_for(12s);
  BOOST_TEST(where("b") == "n1");
  env->set_faults(nullptr);
  run_for(1min);
  BOOST_TEST(events.size() == 2u);
  BOOST_TEST(stats().bound == 2u);
}

BOOST_AUTO_TEST_CASE(a_refused_bind_is_forgotten_and_tried_again) {
  node("n1", "1");
  disk->latency = 5ms;
  ask<object_ref>(registry, create_object{pod_key("p"), make_document(pod_document("p"))});
  run_for(2ms);
  disk->failing_commits = 1; // the create is written already: this is the bind's
  run_for(100ms);
  BOOST_TEST(where("p") == "");
  BOOST_TEST(stats().bound == 0u);
  run_for(2s);
  BOOST_TEST(where("p") == "n1");
}

BOOST_AUTO_TEST_CASE(on_a_bad_line_every_pod_that_fits_gets_a_place_and_no_node_too_many) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    auto prefix = "s" + std::to_string(seed) + "-";
    bad_line faults{seed, 10};
    random_stream random{seed};
    for (int i = 0; i < 3; ++i)
      node(prefix + "n" + std::to_string(i), "2");
    env->set_faults(&faults);
    for (int i = 0; i < 40; ++i) {
      auto name = prefix + "p" + std::to_string(i);
      auto cpu = 100 + random.below(3) * 100;
      auto spec = pod_document(
          name, {{"containers",
                  {{{"name", "c"}, {"resources", {{"requests", {{"cpu", std::to_string(cpu) + "m"}}}}}}}},
                 {"nodeSelector", json::object{}}});
      ask<object_ref>(registry, create_object{pod_key(name), make_document(spec)});
      auto ms = random.below(2'000);
      run_for(std::chrono::milliseconds{ms});
      auto victim = prefix + "p" + std::to_string(random.below(40));
      if (random.below(4) == 0 && find(pod_key(victim)))
        ask<delete_result>(registry, deletion(pod_key(victim), 0));
    }
    env->set_faults(nullptr);
    run_for(10min);
    std::map<std::string, int64_t> used;
    auto total = 0;
    auto pods = call<object_list>(list_objects{"pods", ""});
    for (auto& ref : pods->items) {
      auto& p = ref->as_pod();
      if (!ref->key().name.starts_with(prefix)) continue;
      ++total;
      used[p.spec.node_name] += placement::pod_requests(p.spec).milli_cpu;
    }
    BOOST_TEST(total > 10);
    for (auto& [name, cpu] : used)
      BOOST_TEST(cpu <= (name.empty() ? 1'000'000 : 2'000), name << " has " << cpu);
    // Whoever waits does not fit: the emptiest node has less room than it wants.
    for (auto& ref : pods->items)
      if (ref->key().name.starts_with(prefix) && ref->as_pod().spec.node_name.empty()) {
        auto want = placement::pod_requests(ref->as_pod().spec).milli_cpu;
        for (auto& [name, cpu] : used)
          if (!name.empty()) BOOST_TEST(cpu + want > 2'000, ref->key().name << " would fit on " << name);
      }
    for (auto& ref : pods->items)
      remove(ref->key(), 0);
    for (int i = 0; i < 3; ++i)
      remove({"nodes", "", prefix + "n" + std::to_string(i)});
    run_for(2min);
  }
}

BOOST_AUTO_TEST_CASE(back_off_doubles_to_ten_seconds) {
  std::vector<int64_t> seconds;
  for (uint32_t n = 0; n <= 7; ++n)
    seconds.push_back(scheduling_back_off(n) / nanoseconds{1s});
  std::vector<int64_t> expected{0, 1, 2, 4, 8, 10, 10, 10};
  BOOST_TEST(seconds == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(affinity_to_nodes_is_kept_and_gates_hold) {
  node("n1", "4");
  node("n2", "4");
  auto to = [](const char* name) -> json::object {
    return {{"affinity",
             {{"nodeAffinity",
               {{"requiredDuringSchedulingIgnoredDuringExecution",
                 {{"nodeSelectorTerms",
                   {{{"matchFields",
                      {{{"key", "metadata.name"}, {"operator", "In"}, {"values", {name}}}}}}}}}}}}}}};
  };
  for (int i = 0; i < 4; ++i)
    pod("p" + std::to_string(i), "10m", to("n2"));
  for (int i = 0; i < 4; ++i)
    BOOST_TEST(where("p" + std::to_string(i)) == "n2");
  pod("nowhere", "10m", to("n3"));
  BOOST_TEST(where("nowhere") == "");
  BOOST_TEST(condition("nowhere", "message").find("2 node(s) didn't match Pod's node affinity/selector")
             != std::string::npos);
  node("n3", "4");
  run_for(15s);
  BOOST_TEST(where("nowhere") == "n3");

  json::object gates{{"schedulingGates", {{{"name", "example.com/wait"}}}}};
  pod("gated", "10m", gates);
  run_for(10min);
  BOOST_TEST(where("gated") == "");
  BOOST_TEST(condition("gated", "reason") == "SchedulingGated");
  auto document = find(pod_key("gated"))->document();
  document.at("spec").as_object().erase("schedulingGates");
  update(pod_key("gated"), document);
  run_for(1s);
  BOOST_TEST(where("gated") != "");
}

BOOST_AUTO_TEST_CASE(a_claim_of_one_pod_at_a_time) {
  node("n1", "4");
  node("n2", "4");
  object_key claim{"persistentvolumeclaims", "default", "c"};
  json::object spec{{"accessModes", json::array{"ReadWriteOncePod"}}, {"volumeName", "v"}};
  create({"persistentvolumes", "", "v"}, {{"metadata", {{"name", "v"}}}, {"spec", json::object{}}});
  create(claim, {{"metadata", {{"name", "c"}}}, {"spec", spec}});
  status(claim, {{"phase", "Bound"}});
  run_for(1ms);
  json::object volume{{"name", "d"}, {"persistentVolumeClaim", {{"claimName", "c"}}}};
  json::object user{{"volumes", json::array{json::value(volume)}}};
  pod("first", "100m", user);
  BOOST_TEST(where("first") != "");
  pod("second", "100m", user);
  run_for(6min); // however often it is tried
  BOOST_TEST(where("second") == "");
  BOOST_TEST(condition("second", "message")
             == "0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name and "
                "ReadWriteOncePod access mode. preemption: 0/2 nodes are available: 2 No preemption victims "
                "found for incoming pod.");
  remove(pod_key("first"), 0);
  run_for(15s);
  BOOST_TEST(where("second") != "");
}

BOOST_AUTO_TEST_SUITE_END()
