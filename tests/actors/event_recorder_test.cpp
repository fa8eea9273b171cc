#include "actors/event_recorder.hpp"

#include "actors/event_recorder_rules.hpp"
#include "tests/actors/registry_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {

record_event say(std::string pod, std::string reason, std::string message) {
  return {pod_key(pod), "Pod",     "uid-" + pod, "spec.containers{c}", "Warning", reason,
          message,      "kubelet", "n1"};
}

constexpr size_t most = 1'500;

struct world : registry_world {
  std::shared_ptr<event_recorder_counts> counts = std::make_shared<event_recorder_counts>();
  event_recorder_actor recorder;
  world() { recorder = spawn_event_recorder(*sys, env, "events", {registry, 1h, most, counts}); }
  ~world() {
    caf::anon_send_exit(recorder, caf::exit_reason::kill);
    run_for(0s);
  }
  void record(record_event e) {
    caf::anon_send(recorder, std::move(e));
    run_for(0s);
  }
  /// All there are, once the registry holds nothing back: an event, what was added to it meanwhile, what to
  /// do instead.
  std::vector<object_ref> events() {
    run_for(100ms);
    return call<object_list>(list_objects{"events", ""})->items;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(event_recorder_suite, world)

BOOST_AUTO_TEST_CASE(an_event_has_the_shape_that_kubectl_reads) {
  record(say("web", "BackOff", "Back-off restarting"));
  auto all = events();
  BOOST_REQUIRE(all.size() == 1u);
  auto& e = all[0];
  BOOST_TEST(e->key().name.size() == 4 + 16u);
  BOOST_TEST(e->key().name.starts_with("web."));
  BOOST_TEST(
      at(e, "/involvedObject")
      == R"({"kind":"Pod","namespace":"default","name":"web","uid":"uid-web","apiVersion":"v1","fieldPath":"spec.containers{c}"})");
  BOOST_TEST(at(e, "/source") == R"({"component":"kubelet","host":"n1"})");
  BOOST_TEST(at(e, "/reportingComponent") == "kubelet");
  BOOST_TEST(at(e, "/eventTime") == "null");
  BOOST_TEST(at(e, "/count") == "1");
  BOOST_TEST(at(e, "/firstTimestamp") == "2026-01-01T00:00:00Z");
}

BOOST_AUTO_TEST_CASE(the_same_event_is_counted) {
  for (int i = 0; i < 5; ++i) {
    record(say("web", "BackOff", "Back-off restarting"));
    run_for(10s);
  }
  auto all = events();
  BOOST_REQUIRE(all.size() == 1u);
  BOOST_TEST(at(all[0], "/count") == "5");
  BOOST_TEST(at(all[0], "/firstTimestamp") == "2026-01-01T00:00:00Z");
  BOOST_TEST(at(all[0], "/lastTimestamp") == "2026-01-01T00:00:40Z");
}

BOOST_AUTO_TEST_CASE(many_that_differ_in_words_alone_become_one) {
  for (int i = 0; i < 15; ++i)
    record(say("web", "Unhealthy", "probe failed: " + std::to_string(i)));
  auto all = events();
  BOOST_TEST(all.size() == 11u);
  auto combined = 0;
  for (auto& e : all)
    if (at(e, "/message").starts_with("(combined from similar events): ")) {
      ++combined;
      BOOST_TEST(at(e, "/count") == "5");
      BOOST_TEST(at(e, "/message") == "(combined from similar events): probe failed: 14");
    }
  BOOST_TEST(combined == 1);
}

BOOST_AUTO_TEST_CASE(a_noisy_source_is_held_back_and_gets_a_token_every_five_minutes) {
  for (int i = 0; i < 100; ++i)
    record(say("web", "BackOff", "again"));
  BOOST_TEST(at(events().at(0), "/count") == "25");
  BOOST_TEST(counts->held_back == 75u);
  record(say("other", "BackOff", "again")); // another object has its own allowance
  BOOST_TEST(events().size() == 2u);
  run_for(5min);
  record(say("web", "BackOff", "again"));
  record(say("web", "BackOff", "again"));
  auto all = events();
  BOOST_TEST(at(all[1], "/count") == "101"); // what was held back was counted all the same
}

BOOST_AUTO_TEST_CASE(kills_are_told_beside_what_else_is_said_and_once_a_second_at_most) {
  for (int i = 0; i < 100; ++i)
    record(say("web", "BackOff", "again"));
  for (int i = 0; i < 100; ++i)
    record(say("web", "Killing", "why"));
  BOOST_TEST(at(events().at(1), "/count") == "25");
  run_for(10s);
  for (int i = 0; i < 100; ++i)
    record(say("web", "Killing", "why"));
  BOOST_TEST(at(events().at(1), "/count") == "110"); // ten more were let through, the last of them counts all
  BOOST_TEST(at(events().at(0), "/count") == "25");
}

BOOST_AUTO_TEST_CASE(events_expire_an_hour_after_the_last_time_whoever_wrote_them) {
  record(say("once", "A", "a"));
  create({"events", "default", "foreign"},
         {{"metadata", {{"name", "foreign"}}}, {"lastTimestamp", "2026-01-01T00:30:00Z"}});
  record(say("often", "B", "b"));
  run_for(40min);
  record(say("often", "B", "b"));
  run_for(19min);
  BOOST_TEST(events().size() == 3u);
  run_for(2min);
  BOOST_TEST(events().size() == 2u);
  run_for(30min);
  BOOST_TEST(events().size() == 1u);
  run_for(30min);
  BOOST_TEST(events().empty());
  record(say("often", "B", "b")); // counted on, and made anew
  BOOST_TEST(at(events().at(0), "/count") == "3");
}

BOOST_AUTO_TEST_CASE(no_more_are_kept_than_the_settings_allow_and_the_oldest_go_first) {
  run_for(5min);
  record(say("often", "B", "b"));
  for (int i = 0; i < 1'900; ++i)
    record(say("p" + std::to_string(i), "A", "a"));
  record(say("often", "B", "b"));
  BOOST_TEST(events().size() == 1'901u);
  run_for(30s);
  auto all = events();
  BOOST_TEST(all.size() == most);
  for (auto& e : all) {
    auto number = e->key().name.substr(0, e->key().name.rfind('.'));
    BOOST_TEST((number == "often" || std::stoi(number.substr(1)) >= 401), number);
  }
}

BOOST_AUTO_TEST_CASE(a_slow_registry_loses_nothing_up_to_the_bound_and_what_is_lost_is_counted) {
  disk->latency = 200ms;
  for (int i = 0; i < 1'500; ++i)
    caf::anon_send(recorder, say("p" + std::to_string(i), "A", "a"));
  run_for(10min);
  BOOST_TEST(events().size() + counts->dropped == 1'500u);
  BOOST_TEST(events().size() >= 1'000u);
}

BOOST_AUTO_TEST_CASE(a_failing_disk_and_lost_answers_are_tried_again) {
  disk->failing_commits = 3;
  record(say("web", "A", "a"));
  BOOST_TEST(events().empty());
  run_for(30s);
  BOOST_TEST(events().size() == 1u);
  struct lose : fault_filter {
    mutable int left = 1;
    fault_verdict judge(std::string_view receiver, const caf::mailbox_element& e) const override {
      auto lost = receiver == "events" && e.mid.is_response() && left-- > 0;
      return {lost ? fault_verdict::kind::drop : fault_verdict::kind::pass, {}};
    }
  } faults;
  env->set_faults(&faults);
  record(say("late", "A", "a"));
  run_for(1min);
  env->set_faults(nullptr);
  BOOST_TEST(events().size() == 2u);
  BOOST_TEST(counts->dropped == 0u);
  record(say("nowhere", "A", "a"));
  auto gone = say("x", "A", "a");
  gone.involved.ns = "none";
  record(gone);
  run_for(100ms);
  BOOST_TEST(counts->dropped == 1u);
}

BOOST_AUTO_TEST_CASE(names_are_unique_within_one_moment_and_between_recorders) {
  event_rules::event_namer a{"node"}, b{"scheduler"};
  std::set<std::string> names;
  wall_time t{1'700'000'000s};
  for (int i = 0; i < 100; ++i) {
    names.insert(a.name("p", t));
    names.insert(b.name("p", t));
  }
  BOOST_TEST(names.size() == 200u);
}

BOOST_AUTO_TEST_SUITE_END()
