#include "core/described.hpp"
#include "runtime/sim/deterministic_system.hpp"
#include "runtime/sim/fault_script.hpp"
#include "runtime/sim/glob.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace std::chrono_literals;

namespace podium::test {

using podium::inspect; // found by its arguments' namespace

struct ball {
  int64_t hops = 0;
  std::string colour = "red";
};
BOOST_DESCRIBE_STRUCT(ball, (), (hops, colour))

using player_actor = caf::typed_actor<caf::replies_to<ball>::with<ball>>;

/// Answers a ball with one hop more, and keeps the colours in the order they came.
struct player : base_actor<player_actor> {
  player(caf::actor_config& cfg, env_ptr e, std::string p, std::string* colours)
      : base_actor(cfg, std::move(e), std::move(p)), seen(colours) {}
  std::string* seen;
  behavior_type handlers() override {
    return {[this](const ball& b) {
      if (seen) *seen += b.colour;
      return ball{b.hops + 1, b.colour};
    }};
  }
};

/// Sends a ball of its colour every `period`.
struct thrower : base_actor<player_actor> {
  thrower(caf::actor_config& cfg, env_ptr e, std::string p, player_actor target, nanoseconds every,
          std::string paint)
      : base_actor(cfg, std::move(e), std::move(p)), to(std::move(target)), period(every),
        colour(std::move(paint)) {}
  player_actor to;
  nanoseconds period;
  std::string colour;
  int64_t answers = 0, failures = 0;
  void on_start() override { tick(); }
  void tick() {
    after(period, [this] {
      ask(
          to, 5s, [this](const ball&) { ++answers; }, [this](const caf::error&) { ++failures; },
          ball{0, colour});
      tick();
    });
  }
  void ended() override { to = nullptr; }
  behavior_type handlers() override {
    return {[this](const ball&) { return ball{answers * 1000 + failures, colour}; }};
  }
};

struct ticker : base_actor<player_actor> {
  ticker(caf::actor_config& cfg, env_ptr e, std::string p, nanoseconds every, uint64_t* ticks)
      : base_actor(cfg, std::move(e), std::move(p)), period(every), count(ticks) {}
  nanoseconds period;
  uint64_t* count;
  void on_start() override { tick(); }
  void tick() {
    after(period, [this] {
      ++*count;
      tick();
    });
  }
  behavior_type handlers() override {
    return {[](const ball& b) { return b; }};
  }
};

struct run_result {
  uint64_t hash, messages;
  std::string order;
  bool operator==(const run_result&) const = default;
};

run_result game(simulation_options options, std::string extra = {}) {
  std::string order;
  deterministic_system sim{options};
  auto target = sim.spawn<player>("target", &order);
  for (auto colour : {"a", "b", "c", "d"})
    sim.spawn<thrower>("thrower/" + std::string{colour}, target, 1s, colour + extra);
  sim.run_for(1min);
  return {sim.hash(), sim.messages(), order};
}

} // namespace podium::test

using namespace podium::test;

BOOST_AUTO_TEST_SUITE(deterministic_system_suite)

BOOST_AUTO_TEST_CASE(globs) {
  BOOST_TEST(glob_match("*", ""));
  BOOST_TEST(glob_match("node/*/runtime", "node/edge-1/x/runtime"));
  BOOST_TEST(glob_match("a?c", "abc"));
  BOOST_TEST(glob_match("*ab", "aab"));
  BOOST_TEST(!glob_match("a?c", "ac"));
  BOOST_TEST(!glob_match("exec", "exec_sync"));
}

BOOST_AUTO_TEST_CASE(same_seed_same_trace) {
  auto first = game({.seed = 7});
  BOOST_TEST((first == game({.seed = 7})));
  BOOST_TEST(first.messages > 4u * 60u);
}

BOOST_AUTO_TEST_CASE(other_seed_other_order) {
  auto first = game({.seed = 7}), other = game({.seed = 8});
  BOOST_TEST(first.hash != other.hash);
  BOOST_TEST(first.order != other.order);
}

BOOST_AUTO_TEST_CASE(order_is_first_come_first_served_on_request) {
  auto plain = game({.seed = 7, .shuffle = false, .permute_timers = false});
  BOOST_TEST(plain.order.substr(0, 8) == "abcdabcd");
  BOOST_TEST((plain == game({.seed = 8, .shuffle = false, .permute_timers = false})));
  // Permuted timers alone move it too.
  auto permuted = game({.seed = 7, .shuffle = false, .permute_timers = true});
  BOOST_TEST(permuted.order != plain.order);
}

BOOST_AUTO_TEST_CASE(the_hash_sees_the_content_of_messages) {
  auto plain = game({.seed = 7}), painted = game({.seed = 7}, "!");
  BOOST_TEST(plain.messages == painted.messages);
  BOOST_TEST(plain.hash != painted.hash);
}

BOOST_AUTO_TEST_CASE(an_hour_of_a_thousand_tickers) {
  uint64_t ticks = 0;
  deterministic_system sim{1};
  for (int i = 0; i < 1000; ++i)
    sim.spawn<ticker>("ticker/" + std::to_string(i), 10s + nanoseconds{i} * 1'000'000, &ticks);
  auto before = sim.now();
  sim.run_for(1h);
  BOOST_TEST((sim.now() - before == 1h));
  uint64_t expected = 0;
  for (int i = 0; i < 1000; ++i)
    expected += static_cast<uint64_t>(3'600'000 / (10'000 + i));
  BOOST_TEST(ticks == expected);
}

BOOST_AUTO_TEST_CASE(time_begins_at_the_same_epoch) {
  deterministic_system sim;
  BOOST_TEST(to_rfc3339_nano(sim.wall_now()) == "2026-01-01T00:00:00.000000000Z");
  sim.run_for(90s);
  BOOST_TEST(to_rfc3339(sim.wall_now()) == "2026-01-01T00:01:30Z");
  BOOST_TEST((sim.elapsed() == 90s));
}

BOOST_AUTO_TEST_CASE(asks_and_waits_for_conditions) {
  deterministic_system sim;
  auto target = sim.spawn<player>("target", nullptr);
  auto answer = sim.ask<ball>(target, ball{41, "red"});
  BOOST_REQUIRE(answer);
  BOOST_TEST(answer->hops == 42);
  sim.kill(target);
  auto gone = sim.ask<ball>(target, ball{});
  BOOST_TEST((code_of(gone.error()) == errc::unavailable));
  uint64_t ticks = 0;
  sim.spawn<ticker>("ticker", 10s, &ticks);
  BOOST_TEST(sim.run_until([&] { return ticks == 3; }, 1h));
  BOOST_TEST(ticks == 3u);
  auto before = sim.now();
  BOOST_TEST(!sim.run_until([] { return false; }, 15s));
  BOOST_TEST((sim.now() - before == 15s));
}

BOOST_AUTO_TEST_CASE(last_lines_of_the_trace_are_readable) {
  deterministic_system sim{simulation_options{.keep_lines = 2}};
  auto target = sim.spawn<player>("node/a", nullptr);
  for (int i = 0; i < 3; ++i)
    BOOST_TEST(sim.ask<ball>(target, ball{i, "red"}).operator bool());
  BOOST_REQUIRE(sim.trace().lines().size() == 2u);
  BOOST_TEST(sim.trace().lines().back().find("asker -> node/a: ball(2, \"red\")") != std::string::npos,
             sim.recent_lines());
}

namespace {
/// Passes a ball to itself for ever in one instant.
struct spinner : base_actor<player_actor> {
  using base_actor::base_actor;
  behavior_type handlers() override {
    return {[this](const ball& b) {
      caf::anon_send(caf::actor_cast<player_actor>(this), b);
      return b;
    }};
  }
};
} // namespace

BOOST_AUTO_TEST_CASE(a_clock_that_stands_still_is_no_hang) {
  deterministic_system sim{simulation_options{.messages_per_instant = 1000}};
  auto a = sim.spawn<spinner>("spinner");
  caf::anon_send(a, ball{});
  BOOST_CHECK_THROW(sim.run_for(1s), std::runtime_error);
  caf::anon_send_exit(a, caf::exit_reason::kill);
}

BOOST_AUTO_TEST_CASE(faults_by_rule) {
  std::string order;
  // The script outlives the system that consults it.
  std::unique_ptr<fault_script> script;
  deterministic_system sim{simulation_options{.seed = 3, .shuffle = false, .permute_timers = false}};
  auto target = sim.spawn<player>("target", &order);
  auto other = sim.spawn<player>("other", nullptr);
  auto rules = [&](std::vector<fault_rule> list) {
    sim.env()->set_faults(nullptr);
    script = std::make_unique<fault_script>(3, std::move(list), [&] { return sim.now(); });
    sim.env()->set_faults(script.get());
  };
  auto ask = [&](const player_actor& to, std::string colour) {
    return sim.ask<ball>(to, ball{0, std::move(colour)}, 10s);
  };
  rules({nth_message(2, {.receiver = "tar*", .message = "ball"})});
  BOOST_TEST(ask(target, "1").operator bool());
  BOOST_TEST((code_of(ask(target, "2").error()) == errc::timeout));
  BOOST_TEST(ask(target, "3").operator bool());
  BOOST_TEST(ask(other, "4").operator bool());
  BOOST_TEST(order == "13");
  BOOST_TEST(script->met(0) == 1u);

  order.clear();
  rules({{.receiver = "target", .what = fault_verdict::kind::duplicate}});
  BOOST_TEST(ask(target, "5").operator bool());
  BOOST_TEST(order == "55");

  auto before = sim.now();
  rules({{.receiver = "target",
          .sender = "asker",
          .what = fault_verdict::kind::delay,
          .delay = 2s,
          .delay_max = 4s}});
  BOOST_TEST(ask(target, "6").operator bool());
  BOOST_TEST((sim.now() - before >= 2s && sim.now() - before <= 4s));

  rules({{.receiver = "target", .from = sim.now() + 5s, .until = sim.now() + 8s}});
  BOOST_TEST(ask(target, "7").operator bool());
  sim.run_for(6s);
  BOOST_TEST(!ask(target, "8").operator bool());
  BOOST_TEST(ask(target, "9").operator bool());

  rules({{.receiver = "target", .per_million = 300'000}});
  int lost = 0;
  for (int i = 0; i < 200; ++i)
    if (!ask(target, "x")) ++lost;
  BOOST_TEST(lost > 30);
  BOOST_TEST(lost < 90);
  BOOST_TEST(script->met(0) == static_cast<uint64_t>(lost));
  sim.env()->set_faults(nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
