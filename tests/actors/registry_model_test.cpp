// Thousands of seeded operations, failing commits and restarts: what readers see, what the store holds and
// what the events say must be one and the same.
#include "actors/registry_batch.hpp"
#include "tests/actors/registry_world.hpp"

using namespace podium;
using namespace podium::test;

BOOST_FIXTURE_TEST_SUITE(registry_model_suite, registry_world)

namespace {

/// Replays the events of one resource and checks that versions only grow.
struct replay {
  std::map<object_key, std::string> state;
  uint64_t version = 0;
  void apply(const watch_event& e) {
    BOOST_REQUIRE(e.resource_version > version);
    version = e.resource_version;
    BOOST_REQUIRE(e.object->resource_version() == version);
    auto known = state.find(e.object->key());
    BOOST_REQUIRE((e.type == watch_type::added) == (known == state.end()));
    if (e.previous) BOOST_REQUIRE(known->second == e.previous->json());
    if (e.type == watch_type::deleted)
      state.erase(known);
    else
      state[e.object->key()] = e.object->json();
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(snapshot_store_and_replay_agree_whatever_happens) {
  random_stream random{11};
  uint64_t highest = 0;
  for (int life = 0; life < 4; ++life) {
    replay seen;
    seen.version = view->resource_version();
    BOOST_REQUIRE(seen.version >= highest);
    view->snapshot("pods")->each("", "", "", [&](auto& ref) {
      seen.state[ref->key()] = ref->json();
      return true;
    });
    auto since = seen.version;
    for (int step = 0; step < 2'500; ++step) {
      auto key = pod_key("p" + std::to_string(random.below(25)));
      auto what = random.below(9);
      auto number = static_cast<int64_t>(random.below(4));
      auto ref = find(key);
      if (what == 0) disk->failing_commits = 1;
      if (what == 1) disk->latency = std::chrono::milliseconds{number};
      if (what <= 3) ask<object_ref>(registry, create_object{key, make_document(pod_document(key.name))});
      if (what == 4)
        ask<object_ref>(registry, bind_pod{"default", key.name, "", "n" + std::to_string(number)});
      if (what == 5) ask<delete_result>(registry, deletion(key, number * 10));
      if (what == 6)
        ask<object_ref>(registry, put_status{key, "", make_document({{"phase", "Running"}, {"n", number}})});
      if (what >= 7 && ref) {
        auto document = ref->document();
        document.as_object()["metadata"].as_object()["labels"] = {{"n", std::to_string(number)}};
        ask<object_ref>(registry, update_object{key, make_document(document), update_part::main, "",
                                                what == 8 ? ref->resource_version() : 0});
      }
      auto wait = random.below(6);
      run_for(std::chrono::milliseconds{wait});
      auto fresh = view->events_after("pods", since, 1'000);
      for (auto& e : *fresh)
        seen.apply(e);
      since = std::max(since, seen.version);
    }
    disk->failing_commits = 0;
    run_for(1min);
    auto rest = view->events_after("pods", since, 100'000);
    for (auto& e : *rest)
      seen.apply(e);
    highest = view->resource_version();

    std::map<object_key, std::string> snapshot, rows;
    view->snapshot("pods")->each("", "", "", [&](auto& ref) {
      snapshot[ref->key()] = ref->json();
      return true;
    });
    for (auto& [row, put] : disk->rows)
      if (auto key = object_key_of_row(row); key && key->resource == "pods") rows[*key] = put.value;
    BOOST_TEST((snapshot == seen.state));
    BOOST_TEST((snapshot == rows));
    BOOST_TEST(!snapshot.empty());
    stop();
    disk->latency = 0ns;
    start();
  }
}

BOOST_AUTO_TEST_SUITE_END()
