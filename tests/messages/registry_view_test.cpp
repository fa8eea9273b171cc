#include "core/random.hpp"
#include "messages/interfaces.hpp"
#include "messages/registry_view.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;

namespace {
object_ref make(std::string ns, std::string name, uint64_t rv) {
  object_key key{"pods", ns, name};
  return {std::make_shared<const object>(
      key, rv, boost::json::value{{"metadata", {{"name", name}, {"namespace", ns}, {"uid", "u-" + name}}}})};
}
std::vector<std::string> names(const resource_snapshot& s, std::string_view only = "") {
  std::vector<std::string> out;
  s.each(only, "", "", [&](const object_ref& r) {
    out.push_back(r->key().ns + "/" + r->key().name);
    return true;
  });
  return out;
}
} // namespace

BOOST_AUTO_TEST_SUITE(registry_view_suite)

BOOST_AUTO_TEST_CASE(snapshot_behaves_as_a_sorted_map) {
  random_stream random{7};
  std::map<std::string, uint64_t> model;
  snapshot_ptr s = std::make_shared<resource_snapshot>();
  for (uint64_t rv = 1; rv < 5'000; ++rv) {
    auto ns = "ns" + std::to_string(random.below(3));
    auto name = "p" + std::to_string(random.below(600));
    if (random.below(3) == 0) {
      s = s->without({"pods", ns, name}, rv);
      model.erase(ns + "/" + name);
    } else {
      s = s->with(make(ns, name, rv), rv);
      model[ns + "/" + name] = rv;
    }
  }
  std::vector<std::string> expected, one;
  for (auto& [k, v] : model) {
    expected.push_back(k);
    if (k.starts_with("ns1/")) one.push_back(k);
  }
  BOOST_TEST(s->size() == model.size());
  BOOST_TEST(names(*s) == expected, boost::test_tools::per_element());
  BOOST_TEST(names(*s, "ns1") == one, boost::test_tools::per_element());
  for (auto& [k, v] : model) {
    auto found = s->find(k.substr(0, 3), k.substr(4));
    BOOST_REQUIRE(found);
    BOOST_TEST(found->resource_version() == v);
  }
  BOOST_TEST(!s->find("ns1", "nobody"));
}

BOOST_AUTO_TEST_CASE(old_cursors_expire_and_new_ones_read_on) {
  registry_view view{10};
  view.load({make("a", "x", 5)}, 7);
  BOOST_TEST(view.snapshot("pods")->size() == 1u);
  BOOST_TEST(!view.events_after("pods", 6, 100)); // before what was loaded
  BOOST_TEST(view.events_after("pods", 7, 100)->empty());
  for (uint64_t rv = 8; rv < 30; ++rv)
    view.publish({watch_type::modified, make("a", "x", rv), {}, rv});
  BOOST_TEST(!view.events_after("pods", 18, 100));
  BOOST_TEST(view.events_after("pods", 19, 100)->size() == 10u);
  BOOST_TEST(view.events_after("pods", 19, 3)->size() == 3u);
  BOOST_TEST(view.snapshot("nodes")->resource_version() == 29u);
}

BOOST_AUTO_TEST_CASE(history_is_bounded_by_bytes_and_keeps_the_newest) {
  auto size = make("a", "x", 10)->json().size();
  registry_view view{1'000, 3 * size};
  for (uint64_t rv = 10; rv < 30; ++rv)
    view.publish({watch_type::modified, make("a", "x", rv), {}, rv});
  BOOST_TEST(!view.events_after("pods", 25, 100));
  BOOST_TEST(view.events_after("pods", 26, 100)->size() == 3u);
  // One that is larger than all that may be kept still reaches who was up to date.
  view.publish({watch_type::modified, make("a", std::string(10 * size, 'n'), 30), {}, 30});
  BOOST_TEST(view.events_after("pods", 29, 100)->size() == 1u);
  BOOST_TEST(!view.events_after("pods", 28, 100));
}

BOOST_AUTO_TEST_SUITE_END()

namespace {
struct facts_actor : podium::container_runtime_actor::base {
  using typed_event_based_actor::typed_event_based_actor;
  behavior_type make_behavior() override {
    return {[](const create_sandbox&) { return sandbox_info{}; },
            [](const wait_sandbox&) { return sandbox_end{}; },
            [](const remove_sandbox&) { return ack{}; },
            [](const create_container&) { return container_created{}; },
            [](const start_container&) { return container_started{}; },
            [](const wait_container&) { return container_exit{}; },
            [](const signal_container&) { return ack{}; },
            [](const remove_container&) { return ack{}; },
            [](const exec_sync&) { return exec_result{}; },
            [](const list_runtime&) { return runtime_records{}; },
            [](const get_machine_facts&) { return machine_facts{}; }};
  }
};
struct store_probe : podium::store_actor::base {
  using typed_event_based_actor::typed_event_based_actor;
  behavior_type make_behavior() override {
    return {[](const store_commit&) { return ack{}; }, [](const store_range&) { return store_rows{}; }};
  }
};
} // namespace

BOOST_AUTO_TEST_CASE(every_message_is_a_caf_message) {
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg};
  auto a = sys.spawn<facts_actor>();
  auto b = sys.spawn<store_probe>();
  caf::message m = caf::make_message(create_container{}, machine_facts{}, object_list{}, watch_batch{},
                                     put_status{}, container_exit{}, run_probe{}, memory_ref<pod_memory>{});
  BOOST_TEST(!caf::to_string(m).empty());
}
