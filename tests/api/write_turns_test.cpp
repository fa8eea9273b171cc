#include "api/write_turns.hpp"

#include "api_world.hpp"

using namespace podium;
using namespace podium::test;

BOOST_AUTO_TEST_SUITE(write_turns_suite)

BOOST_AUTO_TEST_CASE(writers_of_one_object_come_one_after_the_other) {
  event_loop loop;
  auto turns = std::make_shared<api::write_turns>(loop, 1h);
  std::vector<std::string> log;
  std::vector<api::write_turns::turn> held;
  auto writer = [&](std::string name) {
    return [&, name](api::write_turns::turn t) {
      log.push_back(name);
      held.push_back(std::move(t));
    };
  };
  loop.run([&] {
    turns->wait({"pods", "a", "x"}, writer("first"));
    turns->wait({"pods", "a", "x"}, writer("second"));
    turns->wait({"pods", "b", "x"}, writer("other")); // another object waits for nobody
    turns->wait({"pods", "a", "x"}, [](auto) {});     // gives its turn back at once
    turns->wait({"pods", "a", "x"}, writer("last"));
  });
  BOOST_TEST((log == std::vector<std::string>{"first", "other"}));
  auto let_go = [&] {
    loop.run([&] { held.erase(held.begin()); });
    for (int i = 0; i < 4; ++i)
      loop.run([] {}); // what it posted has run
  };
  let_go();
  BOOST_TEST(log.back() == "second");
  let_go(); // the other object's
  BOOST_TEST(log.size() == 3);
  let_go();
  BOOST_TEST(log.back() == "last");
  loop.run([&] {
    held.clear();
    turns.reset();
  });
}

BOOST_AUTO_TEST_CASE(who_has_waited_too_long_gets_no_turn) {
  event_loop loop;
  auto turns = std::make_shared<api::write_turns>(loop, 0s);
  std::promise<bool> second;
  api::write_turns::turn first;
  loop.run([&] {
    turns->wait({"pods", "a", "x"}, [&](auto turn) { first = std::move(turn); });
    turns->wait({"pods", "a", "x"}, [](auto turn) { BOOST_TEST(!turn); });
    turns->wait({"pods", "a", "x"}, [&](auto turn) { second.set_value(turn != nullptr); });
  });
  BOOST_TEST((first != nullptr));
  loop.run([&] { first.reset(); });
  BOOST_TEST(!second.get_future().get());
  loop.run([&] { turns.reset(); });
}

// Kubernetes tries again for ever on behalf of a client who names no version.
BOOST_FIXTURE_TEST_CASE(who_names_no_version_never_meets_a_conflict, api_world) {
  BOOST_REQUIRE(post(pods, pod_text("p")).status == 201);
  constexpr int clients = 100;
  std::vector<std::promise<int>> answers(clients);
  loop.run([&] {
    for (int i = 0; i < clients; ++i) {
      http_fetch fetch;
      fetch.method = "PATCH";
      fetch.url = "http://127.0.0.1:" + std::to_string(port) + pods + "/p";
      auto apply = i % 2 == 0;
      auto label = R"("metadata":{"name":"p","labels":{"l)" + std::to_string(i) + R"(":"1"}})";
      if (apply) fetch.url += "?fieldManager=m" + std::to_string(i);
      fetch.headers = {
          {"Content-Type", apply ? "application/apply-patch+yaml" : "application/merge-patch+json"}};
      fetch.body = apply ? R"({"apiVersion":"v1","kind":"Pod",)" + label + "}" : "{" + label + "}";
      client->send(std::move(fetch),
                   [&answer = answers[static_cast<size_t>(i)]](caf::expected<http_reply> r) {
                     answer.set_value(r ? r->status : 0);
                   });
    }
  });
  for (auto& answer : answers)
    BOOST_TEST(answer.get_future().get() == 200);
  BOOST_TEST(get(pods + "/p").json().at_pointer("/metadata/labels").as_object().size() == size_t{clients});
}

BOOST_AUTO_TEST_SUITE_END()
