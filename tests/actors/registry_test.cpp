#include "tests/actors/registry_world.hpp"

using namespace podium;
using namespace podium::test;

BOOST_FIXTURE_TEST_SUITE(registry_suite, registry_world)

BOOST_AUTO_TEST_CASE(first_start_makes_the_namespaces) {
  auto list = call<object_list>(list_objects{"namespaces", ""});
  std::vector<std::string> names;
  for (auto& o : list->items)
    names.push_back(o->key().name);
  std::vector<std::string> expected{"default", "kube-node-lease", "kube-public", "kube-system"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
  BOOST_TEST(at(list->items[0], "/status/phase") == "Active");
  BOOST_TEST(disk->rows.count("/registry/namespaces//default") == 1u);
}

BOOST_AUTO_TEST_CASE(create_stamps_what_is_the_registrys) {
  auto document = pod_document("web");
  document.as_object()["metadata"].as_object()["uid"] = "forged";
  document.as_object()["status"] = {{"phase", "Running"}, {"qosClass", "BestEffort"}};
  auto made = create(pod_key("web"), document);
  BOOST_TEST(at(*made.operator->(), "/metadata/uid").size() == 36u);
  BOOST_TEST(at(*made.operator->(), "/metadata/creationTimestamp") == "2026-01-01T00:00:00Z");
  BOOST_TEST(at(*made.operator->(), "/metadata/namespace") == "default");
  BOOST_TEST(at(*made.operator->(), "/metadata/generation") == "1");
  BOOST_TEST(at(*made.operator->(), "/status") == R"({"phase":"Pending","qosClass":"BestEffort"})");
  BOOST_TEST(create(pod_key("web"), document).why() == R"(pods "web" already exists)");
  BOOST_TEST(create(pod_key("x", "none"), pod_document("x")).why() == R"(namespaces "none" not found)");
}

BOOST_AUTO_TEST_CASE(generate_name_adds_five_characters_and_tries_again_on_a_collision) {
  auto document = pod_document("");
  document.as_object()["metadata"] = {{"generateName", "web-"}};
  std::set<std::string> names;
  for (int i = 0; i < 200; ++i) {
    auto made = create(pod_key(""), document);
    names.insert((*made.value)->key().name);
  }
  BOOST_TEST(names.size() == 200u);
  BOOST_TEST(names.begin()->size() == 9u);
  BOOST_TEST((create(pod_key(""), json::value(json::object{})).code() == errc::invalid));
}

BOOST_AUTO_TEST_CASE(dry_runs_leave_nothing) {
  auto before = view->resource_version();
  auto made = call<object_ref>(create_object{pod_key("dry"), make_document(pod_document("dry")), true});
  BOOST_TEST(at(*made.value, "/metadata/uid").size() == 36u);
  BOOST_TEST(at(*made.value, "/metadata/resourceVersion") == "");
  BOOST_TEST(!find(pod_key("dry")));
  create(pod_key("web"), pod_document("web"));
  auto gone = call<delete_result>(delete_object{pod_key("web"), -1, "", 0, "", true});
  BOOST_TEST(gone->removed);
  BOOST_TEST(bool(find(pod_key("web"))));
  BOOST_TEST(view->resource_version() == before + 1);
}

BOOST_AUTO_TEST_CASE(writes_of_the_same_object_are_ordered_and_judged_on_each_other) {
  disk->latency = 10ms;
  auto a = ask<object_ref>(registry, create_object{pod_key("a"), make_document(pod_document("a"))});
  auto again = ask<object_ref>(registry, create_object{pod_key("a"), make_document(pod_document("a"))});
  auto bound = ask<object_ref>(registry, bind_pod{"default", "a", "", "n1"});
  auto gone = ask<delete_result>(registry, deletion(pod_key("a"), 0));
  auto missing = ask<object_ref>(registry, bind_pod{"default", "a", "", "n1"});
  run_for(5ms);
  BOOST_TEST(!a->value); // nobody sees it before it is stored
  BOOST_TEST(!find(pod_key("a")));
  run_for(50ms);
  BOOST_TEST(a->why() == "");
  BOOST_TEST(again->why() == R"(pods "a" already exists)");
  BOOST_TEST(bound->why() == "");
  BOOST_TEST(gone->operator->()->removed);
  BOOST_TEST(missing->why() == R"(pods "a" not found)");
  BOOST_TEST((*bound->value)->resource_version() == (*a->value)->resource_version() + 1);
}

BOOST_AUTO_TEST_CASE(a_failed_commit_fails_what_was_built_on_it_and_no_more) {
  auto base = create(pod_key("base"), pod_document("base"));
  disk->latency = 10ms;
  disk->failing_commits = 2;
  // The first goes alone; the rest wait for it and share the second commit, which fails as well.
  auto first = ask<object_ref>(registry, create_object{pod_key("x"), make_document(pod_document("x"))});
  run_for(1ms);
  auto made = ask<object_ref>(registry, create_object{pod_key("a"), make_document(pod_document("a"))});
  auto on_it = ask<object_ref>(registry, bind_pod{"default", "a", "", "n1"});
  auto twice = ask<object_ref>(registry, create_object{pod_key("a"), make_document(pod_document("a"))});
  auto independent = ask<object_ref>(registry, bind_pod{"default", "nobody", "", "n1"});
  run_for(100ms);
  for (auto& r : {first, made, on_it, twice})
    BOOST_TEST((r->code() == errc::no_space));
  BOOST_TEST((independent->code() == errc::not_found));
  BOOST_TEST(!find(pod_key("a")));
  BOOST_TEST(disk->rows.count("/registry/pods/default/a") == 0u);
  auto after = ask<object_ref>(registry, create_object{pod_key("a"), make_document(pod_document("a"))});
  run_for(100ms);
  BOOST_TEST(after->why() == "");
  BOOST_TEST((*after->value)->resource_version() > (*base.value)->resource_version());
}

BOOST_AUTO_TEST_CASE(what_may_wait_goes_with_what_comes_next_or_a_little_later) {
  auto event = [this](const char* name) {
    json::object document{{"metadata", json::object{{"name", name}}}, {"message", name}};
    return ask<object_ref>(
        registry,
        create_object{{"events", "default", name}, make_document(std::move(document)), false, true});
  };
  disk->latency = 1ms;
  auto before = disk->revision;
  auto alone = event("alone");
  run_for(19ms);
  BOOST_TEST(disk->revision == before);
  run_for(3ms);
  BOOST_TEST(alone->why() == "");
  auto first = event("first");
  run_for(10ms);
  auto urgent = ask<object_ref>(registry, create_object{pod_key("a"), make_document(pod_document("a"))});
  run_for(1ms);
  BOOST_TEST(urgent->why() == "");
  BOOST_TEST(first->why() == "");
  BOOST_TEST((*urgent->value)->resource_version() == (*first->value)->resource_version() + 1);
  // The time that the first had does not count for the next.
  auto next = event("next");
  run_for(19ms);
  BOOST_TEST(!next->value);
  run_for(3ms);
  BOOST_TEST(next->why() == "");
  // Many do not wait for each other.
  std::vector<std::shared_ptr<got<object_ref>>> many;
  for (int i = 0; i < 100; ++i)
    many.push_back(event(("many-" + std::to_string(i)).c_str()));
  run_for(2ms);
  BOOST_TEST(many.front()->why() == "");
}

BOOST_AUTO_TEST_CASE(heartbeats_need_no_disk_and_survive_a_full_one) {
  object_key lease{"leases.coordination.k8s.io", "kube-node-lease", "n1"};
  create(pod_key("a"), pod_document("a"));
  create(lease, {{"metadata", {{"name", "n1"}}}, {"spec", {{"n", 0}}}});
  auto rows = disk->rows.size();
  auto stored = disk->revision;
  disk->failing_commits = 1'000;
  for (int i = 1; i < 100; ++i)
    BOOST_TEST(update(lease, {{"metadata", {{"name", "n1"}}}, {"spec", {{"n", i}}}}).why() == "");
  BOOST_TEST(create(pod_key("b"), pod_document("b")).why() == "store: the commit was made to fail");
  BOOST_TEST(disk->rows.size() == rows);
  BOOST_TEST(disk->revision == stored);
  disk->failing_commits = 0;
}

BOOST_AUTO_TEST_CASE(versions_never_go_back_not_even_those_of_heartbeats) {
  object_key lease{"leases.coordination.k8s.io", "kube-node-lease", "n1"};
  create(lease, {{"metadata", {{"name", "n1"}}}, {"spec", {{"n", 0}}}});
  create(pod_key("a"), pod_document("a"));
  for (int i = 1; i < 50; ++i)
    update(lease, {{"metadata", {{"name", "n1"}}}, {"spec", {{"n", i}}}});
  auto last = (*remove(pod_key("a")).value).object->resource_version();
  auto kept = create(pod_key("kept"), pod_document("kept"));
  for (int round = 0; round < 3; ++round) {
    stop();
    start();
    BOOST_TEST(!find(lease));
    BOOST_TEST(!find(pod_key("a")));
    BOOST_TEST(find(pod_key("kept"))->json() == (*kept.value)->json());
    BOOST_TEST(view->resource_version() >= last);
    auto next = create(pod_key("p" + std::to_string(round)), pod_document("p"));
    BOOST_TEST((*next.value)->resource_version() > last);
    last = (*next.value)->resource_version();
  }
}

BOOST_AUTO_TEST_CASE(requests_before_the_load_wait) {
  stop();
  disk->latency = 3s;
  start();
  auto made = ask<object_ref>(registry, create_object{pod_key("a"), make_document(pod_document("a"))});
  auto list = ask<object_list>(registry, list_objects{"namespaces", ""});
  auto watch = ask<watch_batch>(registry, watch_next{"pods", 0});
  run_for(1s);
  BOOST_TEST((!made->value && !list->value && !watch->value));
  run_for(10s);
  BOOST_TEST(made->why() == "");
  BOOST_TEST(list->operator->()->items.size() == 4u);
  BOOST_TEST((watch->code() == errc::expired));
}

BOOST_AUTO_TEST_CASE(watches_wait_for_news_end_empty_and_expire) {
  auto since = view->resource_version();
  auto first = ask<watch_batch>(registry, watch_next{"pods", since});
  run_for(29s);
  BOOST_TEST(!first->value);
  create(pod_key("a"), pod_document("a"));
  BOOST_TEST(first->operator->()->events.size() == 1u);
  BOOST_TEST((first->value->events[0].type == watch_type::added));
  BOOST_TEST(first->value->resource_version == since + 1);
  auto idle = ask<watch_batch>(registry, watch_next{"pods", since + 1});
  bind("a", "n1");
  remove(pod_key("a"), 0);
  run_for(0s);
  BOOST_TEST(idle->operator->()->events.size() == 1u);
  auto rest = call<watch_batch>(watch_next{"pods", since + 2});
  BOOST_TEST((rest->events.at(0).type == watch_type::deleted));
  BOOST_TEST(rest->events[0].object->resource_version() == since + 3);
  BOOST_TEST(rest->events[0].previous->resource_version() == since + 2);
  auto empty = ask<watch_batch>(registry, watch_next{"pods", since + 3});
  run_for(31s);
  BOOST_TEST(empty->operator->()->events.empty());
  auto limited = call<watch_batch>(watch_next{"pods", since, 2});
  BOOST_TEST(limited->events.size() == 2u);
  BOOST_TEST(limited->resource_version == since + 2);
  BOOST_TEST(call<watch_batch>(watch_next{"pods", 1'000'000}).why()
             == "too old resource version: 1000000 (" + std::to_string(since + 3) + ")");
  for (int i = 0; i < 10'100; ++i)
    status({"namespaces", "", "default"}, {{"n", i}});
  BOOST_TEST((call<watch_batch>(watch_next{"namespaces", since}).code() == errc::expired));
  BOOST_TEST(call<watch_batch>(watch_next{"pods", since + 3}).why() == "no answer"); // still waiting: not old
}

BOOST_AUTO_TEST_CASE(an_object_that_is_too_large_is_refused) {
  auto document = pod_document("big");
  document.as_object()["metadata"].as_object()["annotations"] = {{"a", std::string(1'600'000, 'x')}};
  auto made = create(pod_key("big"), document);
  BOOST_TEST((made.code() == errc::too_large));
  BOOST_TEST(made.why().find("at most 1572864 are stored") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_lost_store_reply_is_asked_for_again) {
  struct lose_commits : fault_filter {
    mutable int left = 1;
    fault_verdict judge(std::string_view receiver, const caf::mailbox_element& e) const override {
      auto lose = receiver == "registry" && e.mid.is_response() && left > 0;
      if (lose) --left;
      return {lose ? fault_verdict::kind::drop : fault_verdict::kind::pass, {}};
    }
  } faults;
  env->set_faults(&faults);
  auto made = ask<object_ref>(registry, create_object{pod_key("a"), make_document(pod_document("a"))});
  run_for(29s);
  BOOST_TEST(!made->value);
  BOOST_TEST(disk->rows.count("/registry/pods/default/a") == 1u);
  run_for(2s);
  env->set_faults(nullptr);
  BOOST_TEST(made->why() == "");
  BOOST_TEST(find(pod_key("a"))->json() == disk->rows["/registry/pods/default/a"].value);
}

BOOST_AUTO_TEST_SUITE_END()
