// When probes run and what becomes of it, under virtual time: rules of pod-semantics §1 as tables.
#include "node_world.hpp"

#include <cmath>

using namespace podium;
using namespace podium::test;
using json_object = boost::json::object;

namespace {

/// One question of a probe: when (seconds since the script began), of which container.
struct asked {
  double at = 0;
  std::string container;
  char kind = 'l'; ///< the letter of its handler: http, tcp, exec or grpc
};

/// What a probe is answered, and how long that takes.
struct scripted {
  probe_verdict verdict = probe_verdict::success;
  nanoseconds latency{0};
};

/// Answers by a script and notes each question.
class scripted_prober final : public base_actor<probe_executor_actor> {
public:
  struct script {
    std::function<scripted(const asked&, size_t)> answer = [](auto&, size_t) { return scripted{}; };
    std::vector<asked> seen;
    clock_time zero;
  };
  scripted_prober(caf::actor_config& cfg, env_ptr env, std::string path, std::shared_ptr<script> s)
      : base_actor(cfg, std::move(env), std::move(path)), script_(std::move(s)) {}

protected:
  behavior_type handlers() override {
    return {[this](const run_probe& request) -> caf::result<probe_outcome> {
      auto& p = request.probe;
      asked one{std::chrono::duration<double>(now() - script_->zero).count(), request.key.name,
                p.http_get     ? 'h'
                : p.tcp_socket ? 't'
                : p.grpc       ? 'g'
                               : 'e'};
      auto said = script_->answer(one, script_->seen.size());
      script_->seen.push_back(one);
      probe_outcome outcome{said.verdict, "scripted"};
      if (said.latency <= nanoseconds{0}) return outcome;
      auto promise = make_response_promise<probe_outcome>();
      after(said.latency, [promise, outcome]() mutable { promise.deliver(outcome); });
      return promise;
    }};
  }

private:
  std::shared_ptr<script> script_;
};

/// A node that has run for a while, so that probes are not spread over their period.
struct probed_world : node_world {
  std::shared_ptr<scripted_prober::script> script = std::make_shared<scripted_prober::script>();

  explicit probed_world(nanoseconds up = 100s) {
    prober = sim.spawn<scripted_prober>("scripted", script);
    start_node();
    sim.run_for(up);
    script->zero = sim.now();
  }
  /// A pod of one container with one probe, created now.
  void probe(const std::string& kind, json_object fields, json_object spec = {}) {
    if (!fields.contains("httpGet")) fields["tcpSocket"] = json_object{{"port", 80}};
    json_object c{{"name", "c"}};
    c[kind + "Probe"] = std::move(fields);
    create(pod_manifest("p", {std::move(c)}, std::move(spec)));
  }
  std::vector<double> asks() const {
    std::vector<double> out;
    for (auto& a : script->seen)
      out.push_back(a.at);
    return out;
  }
};

/// Answers by letters, one a question, the last for ever: S, F, W (warning), E (error).
std::function<scripted(const asked&, size_t)> letters(std::string text, nanoseconds latency = 0s) {
  return [=](const asked&, size_t n) {
    auto c = text[std::min(n, text.size() - 1)];
    return scripted{c == 'S'   ? probe_verdict::success
                    : c == 'F' ? probe_verdict::failure
                    : c == 'W' ? probe_verdict::warning
                               : probe_verdict::error,
                    latency};
  };
}

} // namespace

BOOST_AUTO_TEST_SUITE(probe_sim)

// §1.1, §1.2.8: the ticks count from the pod's start, the delay in whole seconds from the container's.
BOOST_AUTO_TEST_CASE(when_a_probe_runs) {
  struct row {
    const char *what, *kind;
    json_object fields;
    nanoseconds start_delay, latency;
    std::vector<double> asks; ///< the first ones
  };
  const std::vector<row> rows{
      {"liveness waits for the tick after the start",
       "liveness",
       {{"periodSeconds", 10}},
       0s,
       0s,
       {10, 20, 30}},
      {"a container that is slow to start moves no tick",
       "liveness",
       {{"periodSeconds", 10}},
       7s,
       0s,
       {10, 20}},
      {"a delay in the middle of a period",
       "liveness",
       {{"periodSeconds", 10}, {"initialDelaySeconds", 15}},
       0s,
       0s,
       {20, 30}},
      {"a delay that is over at a tick",
       "liveness",
       {{"periodSeconds", 5}, {"initialDelaySeconds", 10}},
       0s,
       0s,
       {10, 15}},
      {"a delay counts from the container's start",
       "liveness",
       {{"periodSeconds", 5}, {"initialDelaySeconds", 10}},
       1s,
       0s,
       {15, 20}},
      {"a period of 0 is 10", "liveness", {{"periodSeconds", 0}}, 0s, 0s, {10, 20}},
      {"a slow probe makes the next tick wait, one only",
       "liveness",
       {{"periodSeconds", 1}, {"timeoutSeconds", 5}},
       0s,
       2500ms,
       {1, 3.5, 6, 8.5}},
      {"and the ticks stay where they were",
       "liveness",
       {{"periodSeconds", 2}, {"timeoutSeconds", 5}},
       0s,
       3s,
       {2, 5, 8, 11}},
      {"readiness is asked as soon as the container runs",
       "readiness",
       {{"periodSeconds", 10}},
       3s,
       0s,
       {3, 13, 23}},
      {"unless it has a delay",
       "readiness",
       {{"periodSeconds", 10}, {"initialDelaySeconds", 5}},
       3s,
       0s,
       {13, 23}},
      {"startup is asked at the ticks until it has passed", "startup", {{"periodSeconds", 10}}, 0s, 0s, {10}},
  };
  for (auto& r : rows) {
    probed_world w;
    sim_profile p;
    p.start_delay = r.start_delay;
    w.world->set_profile("*", p);
    w.script->answer = letters("S", r.latency);
    w.probe(r.kind, r.fields);
    w.sim.run_for(40s);
    auto asks = w.asks();
    BOOST_REQUIRE_MESSAGE(asks.size() >= r.asks.size(), r.what);
    if (std::string_view{r.kind} == "startup") BOOST_TEST(asks.size() == r.asks.size(), r.what);
    for (size_t i = 0; i < r.asks.size(); ++i)
      BOOST_TEST(std::abs(asks[i] - r.asks[i]) < 0.05, r.what << ": " << asks[i] << " is not " << r.asks[i]);
  }
}

// §1.2, the part after a result: thresholds, errors, what is kept.
BOOST_AUTO_TEST_CASE(what_results_do) {
  struct row {
    const char *what, *kind;
    json_object fields;
    std::string answers;
    int ready_after, killed_after; ///< so many answers; 0: never
  };
  const std::vector<row> rows{
      {"ready at the first success", "readiness", {}, "S", 1, 0},
      {"ready at the second of two successes", "readiness", {{"successThreshold", 2}}, "FSFSS", 5, 0},
      {"a warning is a success", "readiness", {}, "FW", 2, 0},
      {"readiness never kills", "readiness", {{"failureThreshold", 1}}, "F", 0, 0},
      {"three failures in a row kill", "liveness", {}, "FFSFFFS", 0, 6},
      {"one failure kills", "liveness", {{"failureThreshold", 1}}, "SSF", 0, 3},
      {"a tick of errors neither counts nor resets", "liveness", {{"failureThreshold", 2}}, "FEEEFS", 0, 5},
      {"an error that passes is a result", "liveness", {{"failureThreshold", 2}}, "FEEFS", 0, 4},
      {"a startup probe kills", "startup", {{"failureThreshold", 2}}, "FF", 0, 2},
      {"a startup probe that passed does not", "startup", {{"failureThreshold", 2}}, "FSF", 0, 0},
  };
  for (auto& r : rows) {
    probed_world w;
    size_t ready_after = 0, killed_after = 0;
    auto answer = letters(r.answers);
    w.script->answer = [&](const asked& a, size_t n) {
      // Judged before each question: what the answers so far have done.
      if (!ready_after && r.ready_after && w.condition_of("p", "Ready") == "True") ready_after = n;
      return answer(a, n);
    };
    auto fields = r.fields;
    fields["periodSeconds"] = 1;
    w.probe(r.kind, fields);
    BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Running"; }, 5s));
    w.wait(
        [&] {
          killed_after = w.events_with("Killing") ? w.script->seen.size() : 0;
          return killed_after > 0;
        },
        12s);
    BOOST_TEST(ready_after == static_cast<size_t>(r.ready_after), r.what);
    BOOST_TEST(killed_after == static_cast<size_t>(r.killed_after), r.what);
    BOOST_TEST(w.events_with("ProbeWarning")
                   == (r.answers.find('W') == r.answers.npos ? 0u : w.script->seen.size() - 1),
               r.what);
  }
}

// §1.1, §1.2: the worker, its ticks and its counters live on when the container starts anew.
BOOST_AUTO_TEST_CASE(across_a_restart) {
  probed_world w;
  sim_profile p;
  p.runs = {{23s, 1}, {forever, 0}};
  w.world->set_profile("*", p);
  w.script->answer = letters("FF"); // at 10 and 20; the container ends by itself at 23, and starts at once
  w.probe("liveness", {{"periodSeconds", 10}});
  BOOST_REQUIRE(w.wait([&] { return w.events_with("Killing") > 0; }, 60s));
  // The third failure in a row, at the next tick of the same schedule, kills the second instance.
  BOOST_TEST(std::llround(w.asks().back()) == 30);
  BOOST_TEST(w.asks().size() == 3u);
  BOOST_TEST(w.times(sim_event_kind::started, "c").size() == 2u);
  // On hold from then on, until there is another instance; its delay begins with it.
  BOOST_REQUIRE(w.wait([&] { return w.times(sim_event_kind::started, "c").size() == 3; }, 120s));
  BOOST_TEST(w.asks().size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_delay_begins_anew_with_each_instance) {
  probed_world w;
  w.script->answer = letters("F");
  w.probe("liveness", {{"periodSeconds", 1}, {"initialDelaySeconds", 5}, {"failureThreshold", 1}});
  w.sim.run_for(60s);
  auto starts = w.times(sim_event_kind::started, "c");
  BOOST_REQUIRE(starts.size() >= 3u);
  for (auto start : starts) {
    auto since = start - std::chrono::duration<double>(w.script->zero.time_since_epoch()).count();
    for (auto at : w.asks())
      BOOST_TEST((at < since + 1e-6 || at > since + 5 - 1e-6), at);
  }
}

// §1.1: an end shows in the status at once; §1.2.6: nobody asks for what has ended for good.
BOOST_AUTO_TEST_CASE(an_end_makes_unready_and_ends_the_probe) {
  probed_world w;
  sim_profile p;
  p.runs = {{15s, 0}};
  w.world->set_profile("*", p);
  w.probe("readiness", {{"periodSeconds", 10}}, {{"restartPolicy", "Never"}});
  BOOST_REQUIRE(w.wait([&] { return w.condition_of("p", "Ready") == "True"; }, 5s));
  BOOST_REQUIRE(w.wait([&] { return w.phase("p") == "Succeeded"; }, 20s));
  BOOST_TEST(std::llround(std::chrono::duration<double>(w.sim.now() - w.script->zero).count()) == 15);
  BOOST_TEST(w.condition_of("p", "Ready") == "False");
  auto asks = w.asks().size();
  w.sim.run_for(100s);
  BOOST_TEST(w.asks().size() == asks);
}

// §1.1: after the node's own start probes are spread over their period; §1.2, example: a kill needs more than
// twenty seconds.
BOOST_AUTO_TEST_CASE(probes_of_a_young_node_are_spread) {
  std::set<int64_t> phases;
  for (int i = 0; i < 8; ++i) {
    probed_world w{std::chrono::seconds{1}};
    w.script->answer = letters("F");
    auto name = "p" + std::to_string(i);
    w.create(pod_manifest(name, {{{"name", "c"}, {"livenessProbe", {{"tcpSocket", {{"port", 80}}}}}}}));
    BOOST_REQUIRE(w.wait([&] { return w.events_with("Killing") > 0; }, 60s));
    auto asks = w.asks();
    BOOST_REQUIRE(asks.size() == 3u);
    BOOST_TEST((asks[0] >= 0 && asks[0] <= 10));
    BOOST_TEST((asks[2] >= 20 && asks[2] <= 30));
    phases.insert(std::llround(asks[0] * 10));
  }
  BOOST_TEST(phases.size() > 4u);
}

BOOST_AUTO_TEST_CASE(a_grpc_probe_is_one_of_them) {
  node_world w;
  sim_profile p;
  p.ports = {{.port = 9000, .until = 60s}, {.port = 9000, .from = 60s, .health = "NOT_SERVING"}};
  w.world->set_profile("*", p);
  w.start_node();
  json_object liveness{{"grpc", {{"port", 9000}, {"service", ""}}}, {"failureThreshold", 1}};
  w.create(pod_manifest("p", {{{"name", "c"}, {"livenessProbe", liveness}}}));
  BOOST_TEST(!w.wait([&] { return w.events_with("Killing") > 0; }, 59s));
  BOOST_TEST(w.wait([&] { return w.events_with("Killing") > 0; }, 12s));
  bool told = false;
  for (auto& e : *w.said)
    told = told || e.message == "Liveness probe failed: service unhealthy (responded with \"NOT_SERVING\")";
  BOOST_TEST(told);
}

// 500 probes a second, each at exactly its virtual time, whatever the others do.
BOOST_AUTO_TEST_CASE(five_hundred_a_second_at_their_times) {
  constexpr int pods = 100;
  constexpr auto period = 400ms;
  probed_world w;
  // Answers take their time, the longest more than half of the period.
  w.script->answer = [](const asked&, size_t n) {
    return scripted{probe_verdict::success, std::chrono::milliseconds{(n * 37) % 250}};
  };
  for (int i = 0; i < pods; ++i) {
    json_object liveness{{"httpGet", {{"path", "/"}, {"port", 80}}}},
        readiness{{"tcpSocket", {{"port", 80}}}};
    auto name = "c" + std::to_string(i);
    auto manifest =
        pod_manifest("p" + std::to_string(i),
                     {{{"name", name}, {"livenessProbe", liveness}, {"readinessProbe", readiness}}});
    manifest.as_object()["metadata"].as_object()["annotations"] =
        json_object{{"podium.io/probe-period", name + ".liveness=400ms," + name + ".readiness=400ms"}};
    w.create(manifest);
    w.sim.run_for(7ms);
  }
  w.sim.run_for(5s);
  w.script->seen.clear();
  auto begin = std::chrono::duration<double>(w.sim.now() - w.script->zero).count();
  w.sim.run_for(20s);
  BOOST_TEST(w.script->seen.size() == 500u * 20u);
  std::map<std::pair<std::string, char>, std::vector<double>> by_probe;
  for (auto& a : w.script->seen)
    by_probe[{a.container, a.kind}].push_back(a.at);
  BOOST_TEST(by_probe.size() == 2u * pods);
  constexpr double step = std::chrono::duration<double>(period).count();
  size_t late = 0;
  for (auto& [who, times] : by_probe)
    for (size_t i = 0; i < times.size(); ++i)
      late += std::abs(times[i] - times[0] - static_cast<double>(i) * step) > 1e-6
              || times[0] >= begin + step + 1e-6;
  BOOST_TEST(late == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
