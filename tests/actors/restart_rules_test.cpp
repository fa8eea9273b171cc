#include "actors/pod_resources.hpp"
#include "actors/probe_rules.hpp"
#include "actors/restart_rules.hpp"
#include "core/cgroup_formulas.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(restart_rules)

BOOST_AUTO_TEST_CASE(should_restart_by_policy_and_code) {
  struct row {
    const char* policy;
    int code;
    bool restart;
  };
  for (auto& r : {row{"Always", 0, true}, row{"Always", 1, true}, row{"OnFailure", 0, false},
                  row{"OnFailure", 1, true}, row{"Never", 0, false}, row{"Never", 137, false}})
    BOOST_TEST((action_after({r.policy, nullptr}, r.code) == restart_action::restart) == r.restart,
               r.policy << ' ' << r.code);
}

namespace {
/// Waits before each restart of a container that runs `alive` after each start.
std::vector<int64_t> waits(nanoseconds alive, int starts, back_off_memory& m, wall_time& t) {
  std::vector<int64_t> out;
  for (int i = 0; i < starts; ++i) {
    auto finished = t + alive;
    auto now = finished;
    auto d = decide_restart({}, finished, now, m);
    if (!d.start) {
      now = d.retry_at;
      d = decide_restart({}, finished, now, m);
    }
    BOOST_REQUIRE(d.start);
    out.push_back(std::chrono::duration_cast<std::chrono::seconds>(now - finished).count());
    t = now;
  }
  return out;
}
} // namespace

// Vectors: pod-semantics §9.
BOOST_AUTO_TEST_CASE(crash_loop_waits) {
  back_off_memory m;
  wall_time t{1000s};
  std::vector<int64_t> expected{0, 10, 20, 40, 80, 160, 300, 300};
  BOOST_TEST(waits(1s, 8, m, t) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(factors_are_real_numbers_and_bounded) {
  struct row {
    int64_t thousandths;
    nanoseconds first;
    std::vector<int64_t> milliseconds;
  };
  for (auto& r : {row{1000, 10s, {10'000, 10'000, 10'000}}, row{1500, 10s, {10'000, 15'000, 22'500, 33'750}},
                  row{1'000'000'000, 10s, {10'000, 300'000, 300'000}},
                  row{1'000'000'000, 9'000'000'000s, {300'000, 300'000}}}) {
    back_off_settings settings;
    settings.first = r.first;
    settings.factor_thousandths = r.thousandths;
    back_off_memory crash;
    pull_memory pull;
    wall_time now{1000s};
    for (auto expected : r.milliseconds) {
      auto d = decide_restart(settings, now, now + crash.delay, crash);
      BOOST_TEST(d.start);
      BOOST_TEST(crash.delay / 1ms == expected, r.thousandths);
      pull.delay = next_pull_delay(settings, now, pull);
      pull.failed_at = {now};
      BOOST_TEST(pull.delay / 1ms == expected, r.thousandths);
      now += 1s;
    }
  }
}

BOOST_AUTO_TEST_CASE(crash_loop_reset_and_no_reset) {
  for (auto& [alive, expected] :
       {std::pair{601s, std::vector<int64_t>{0, 10}}, {599s, std::vector<int64_t>{80}}}) {
    back_off_memory m;
    wall_time t{1000s};
    waits(1s, 4, m, t);
    std::vector<int64_t> got = waits(alive, 1, m, t);
    if (expected.size() > 1) {
      auto next = waits(1s, 1, m, t);
      got.insert(got.end(), next.begin(), next.end());
    }
    // After 599 s the entry is kept: what is left of 80 s since the exit is waited for.
    BOOST_TEST(got == expected, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(pull_delays_double) {
  pull_memory p;
  std::vector<int64_t> got;
  wall_time t{1000s};
  for (int i = 0; i < 7; ++i) {
    p.delay = next_pull_delay({}, t, p);
    p.failed_at = {t};
    got.push_back(std::chrono::duration_cast<std::chrono::seconds>(p.delay).count());
    t += p.delay;
  }
  BOOST_TEST(got == (std::vector<int64_t>{10, 20, 40, 80, 160, 300, 300}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(resource_formulas) {
  struct oom {
    int64_t request_mib;
    int32_t adj;
  };
  constexpr int64_t mib = 1 << 20;
  for (auto& r :
       {oom{0, 999}, oom{100, 988}, oom{1024, 875}, oom{4096, 500}, oom{7 * 1024, 125}, oom{8 * 1024, 3}})
    BOOST_TEST(oom_score_adj_of("Burstable", r.request_mib * mib, 8192 * mib) == r.adj);
  BOOST_TEST(oom_score_adj_of("Guaranteed", 0, 1) == -997);
  BOOST_TEST(oom_score_adj_of("BestEffort", 0, 1) == 1000);
  struct cpu {
    int64_t milli, shares, quota;
  };
  for (auto& r : {cpu{0, 2, 0}, cpu{1, 2, 1000}, cpu{100, 102, 10000}, cpu{250, 256, 25000},
                  cpu{1000, 1024, 100000}, cpu{1500, 1536, 150000}}) {
    BOOST_TEST(cpu_shares_of(r.milli) == r.shares);
    BOOST_TEST(cpu_quota_of(r.milli) == r.quota);
  }
}

BOOST_AUTO_TEST_CASE(quality_of_service) {
  auto with = [](quantity_map requests, quantity_map limits) {
    pod_spec s;
    s.containers.emplace_back().resources = {limits, requests};
    return qos_class_of(s);
  };
  BOOST_TEST(with({}, {}) == "BestEffort");
  BOOST_TEST(with({{"cpu", "1"}}, {}) == "Burstable");
  BOOST_TEST(with({}, {{"cpu", "1"}, {"memory", "1Gi"}}) == "Guaranteed");
  BOOST_TEST(with({{"cpu", "500m"}, {"memory", "1Gi"}}, {{"cpu", "1"}, {"memory", "1Gi"}}) == "Burstable");
  BOOST_TEST(with({{"cpu", "0"}}, {}) == "BestEffort");
}

BOOST_AUTO_TEST_CASE(probe_thresholds) {
  probe_spec spec;
  spec.failure_threshold = 3;
  probe_memory m;
  auto apply = [&](char c) {
    apply_probe_result(probe_kind::readiness, spec,
                       c == 'S'   ? probe_verdict::success
                       : c == 'E' ? probe_verdict::error
                                  : probe_verdict::failure,
                       m);
    return m.stored == probe_verdict::success;
  };
  m.stored = probe_verdict::failure;
  // Flap (§9): F,F,S -> ready, then the third F in a row -> not; an error neither counts nor resets.
  std::string got;
  for (char c : std::string{"FFSFFEF"})
    got += apply(c) ? '1' : '0';
  BOOST_TEST(got == "0011110");
}

BOOST_AUTO_TEST_CASE(liveness_failure_puts_on_hold_until_a_new_instance) {
  probe_spec spec;
  spec.failure_threshold = 1;
  probe_memory m;
  probe_target t;
  t.container_id = "a";
  t.running = t.started = true;
  t.started_at = wall_time{100s};
  using enum probe_tick;
  BOOST_TEST((decide_probe_tick(probe_kind::liveness, spec, t, wall_time{101s}, m).what == run));
  BOOST_TEST((m.stored == probe_verdict::success));
  BOOST_TEST(apply_probe_result(probe_kind::liveness, spec, probe_verdict::failure, m));
  BOOST_TEST(m.on_hold);
  BOOST_TEST((decide_probe_tick(probe_kind::liveness, spec, t, wall_time{111s}, m).what == nothing));
  t.container_id = "b";
  BOOST_TEST((decide_probe_tick(probe_kind::liveness, spec, t, wall_time{121s}, m).what == run));
}

BOOST_AUTO_TEST_CASE(ticks_of_one_period_share_a_grid) {
  auto t = [](nanoseconds x) { return clock_time{x}; };
  BOOST_TEST((on_probe_grid(t(100s), 10s, t(0s)) == t(100s)));
  BOOST_TEST((on_probe_grid(t(100s + 1ns), 10s, t(0s)) == t(100s + 500ms)));
  BOOST_TEST((on_probe_grid(t(100s + 499ms), 10s, t(1ms)) == t(100s + 501ms)));
  BOOST_TEST((on_probe_grid(t(1001ms), 200ms, t(0s)) == t(1010ms)));
  BOOST_TEST((on_probe_grid(t(7ns), 19ns, t(0s)) == t(7ns)));
}

BOOST_AUTO_TEST_CASE(probe_tick_table) {
  struct row {
    const char* what;
    probe_kind kind;
    bool running, terminated, restartable, started, deleting;
    int age, delay;
    probe_tick expected;
  };
  using enum probe_tick;
  using enum probe_kind;
  for (auto& r : {
           row{"liveness runs", liveness, true, false, true, true, false, 20, 0, run},
           row{"delay not over", liveness, true, false, true, true, false, 14, 15, nothing},
           row{"delay over", liveness, true, false, true, true, false, 15, 15, run},
           row{"not started", liveness, true, false, true, false, false, 20, 0, nothing},
           row{"startup before start", startup, true, false, true, false, false, 20, 0, run},
           row{"startup after start", startup, true, false, true, true, false, 20, 0, nothing},
           row{"deleting liveness", liveness, true, false, true, true, true, 20, 0, end},
           row{"deleting readiness", readiness, true, false, true, true, true, 20, 0, run},
           row{"ended for good", readiness, false, true, false, false, false, 20, 0, end},
           row{"ended, comes again", readiness, false, true, true, false, false, 20, 0, nothing},
       }) {
    probe_spec spec;
    spec.initial_delay_seconds = r.delay;
    probe_target t;
    t.container_id = "a";
    t.running = r.running;
    t.terminated = r.terminated;
    t.restartable = r.restartable;
    t.started = r.started;
    t.deleting = r.deleting;
    t.started_at = wall_time{100s};
    probe_memory m;
    auto got = decide_probe_tick(r.kind, spec, t, wall_time{100s + std::chrono::seconds{r.age}}, m).what;
    BOOST_TEST((got == r.expected), r.what);
  }
}

BOOST_AUTO_TEST_SUITE_END()
