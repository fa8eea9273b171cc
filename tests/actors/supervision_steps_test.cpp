// Each actor of a pod broken (an exception in a handler, or killed) at each of its messages in each step of a
// pod's life: the containers do and live through exactly what they do when nothing is broken.
#include "node_world.hpp"

#include <cmath>

using namespace podium;
using namespace podium::test;
using json_object = boost::json::object;
using json_array = boost::json::array;

namespace {

/// One step of a pod's life: how the world is, how far it goes before the actor is to be broken, what begins
/// then, and how long it is looked at.
struct life_step {
  const char* name;
  json_array containers;
  json_object spec = {};
  std::function<void(node_world&)> behave = [](node_world&) {};
  nanoseconds before = 20s;
  std::function<void(node_world&)> act = [](node_world&) {};
  nanoseconds span = 60s;
  /// By how many seconds something may come at another time than without the break: what was asked is asked
  /// again a second later; more where a pause or a period begins anew.
  double tolerance = 2.5;
};

json_object box(const char* name, json_object more = {}) {
  more["name"] = name;
  more["image"] = "busybox";
  more["imagePullPolicy"] = "IfNotPresent";
  return more;
}

json_object probed(const char* kind, int64_t period, int64_t threshold = 3) {
  return {{kind,
           {{"exec", {{"command", {"cat", "/tmp/healthy"}}}},
            {"periodSeconds", period},
            {"failureThreshold", threshold}}}};
}

json_object hooked(const char* when) {
  return {{"lifecycle", {{when, {{"exec", {{"command", {"hook"}}}}}}}}};
}

void profile(node_world& w, const char* name, const std::function<void(sim_profile&)>& change) {
  sim_profile p;
  change(p);
  w.world->set_profile(name, p);
}

void lasts(node_world& w, const char* name, nanoseconds duration, int32_t code) {
  profile(w, name, [&](auto& p) { p.runs = {{duration, code}}; });
}

void slow_hook(node_world& w) {
  profile(w, "*", [](auto& p) { p.execs = {{.command = "hook", .latency = 5s}}; });
}

void remove_pod(node_world& w) {
  w.remove("p");
}

std::vector<life_step> life() {
  auto side = [](const char* name) { return box(name, {{"restartPolicy", "Always"}}); };
  auto rules = json_array{
      json_object{{"action", "RestartAllContainers"}, {"exitCodes", {{"operator", "In"}, {"values", {42}}}}}};
  return {
      {"the sandbox is made", {box("c")}, {}, [](auto& w) { w.world->sandbox_delay = 5s; }, 1s},
      {"a sandbox fails",
       {box("c")},
       {},
       [](auto& w) { w.world->fail_sandboxes = 2; },
       1s,
       [](auto&) {},
       60s,
       10.5},
      {"the image is pulled", {box("c")}, {}, [](auto& w) { w.images->set("*", {.pull_delay = 5s}); }, 1s},
      {"volumes are made",
       {box("c")},
       {{"volumes", {json_object{{"name", "v"}, {"emptyDir", json_object{}}}}}},
       [](auto& w) { w.volumes->delay = 5s; },
       1s,
       [](auto&) {},
       60s,
       5.5},
      {"a container is created",
       {box("c"), box("d")},
       {},
       [](auto& w) { profile(w, "*", [](auto& p) { p.create_delay = 5s; }); },
       1s},
      {"a container is started",
       {box("c"), box("d")},
       {},
       [](auto& w) { profile(w, "*", [](auto& p) { p.start_delay = 5s; }); },
       1s},
      {"a start fails",
       {box("c")},
       {{"restartPolicy", "Always"}},
       [](auto& w) { profile(w, "*", [](auto& p) { p.fail_starts = 2; }); },
       0s},
      {"init containers run",
       {box("c")},
       {{"initContainers", {box("i"), box("j")}}},
       [](auto& w) {
         lasts(w, "i", 5s, 0);
         lasts(w, "j", 5s, 0);
       },
       1s},
      {"the postStart hook runs", {box("c", hooked("postStart"))}, {}, slow_hook, 1s},
      {"the startup probe waits",
       {box("c", probed("startupProbe", 2, 20))},
       {},
       [](auto& w) { profile(w, "*", [](auto& p) { p.execs = sim_file("/tmp/healthy", 15s); }); },
       5s},
      {"all runs and is probed",
       {box("c", probed("livenessProbe", 5)), box("d", probed("readinessProbe", 3))}},
      {"a liveness probe fails",
       {box("c", probed("livenessProbe", 2)), box("d")},
       {},
       [](auto& w) { profile(w, "c", [](auto& p) { p.execs = sim_file("/tmp/healthy", 0s, 15s); }); },
       16s,
       [](auto&) {},
       12s,
       4.5},
      {"a container waits to be restarted",
       {box("c"), box("d")},
       {},
       [](auto& w) { lasts(w, "c", 1s, 1); },
       15s},
      {"a job completes",
       {box("c")},
       {{"restartPolicy", "Never"}},
       [](auto& w) { lasts(w, "c", 20s, 0); },
       19s},
      {"all containers restart",
       {box("c", {{"restartPolicy", "Never"}, {"restartPolicyRules", rules}}), box("d")},
       {{"restartPolicy", "Never"}},
       [](auto& w) {
         profile(w, "c", [](auto& p) { p.runs = {{10s, 42}, {forever, 0}}; });
         profile(w, "d", [](auto& p) { p.signals[15] = {1s, 0}; });
       },
       9s},
      {"the sandbox is lost",
       {box("c"), box("d")},
       {{"shareProcessNamespace", true}},
       [](auto&) {},
       20s,
       [](auto& w) { w.world->end_first_process(w.get("p")->uid(), w.sim.now()); }},
      {"the preStop hook runs", {box("c", hooked("preStop")), box("d")}, {}, slow_hook, 20s, remove_pod},
      {"the stop signal is sent",
       {box("c"), box("d")},
       {},
       [](auto& w) { profile(w, "*", [](auto& p) {
                       p.signals[15] = {4s, 0};
                     }); },
       20s,
       remove_pod},
      {"the grace passes",
       {box("c")},
       {{"terminationGracePeriodSeconds", 8}},
       [](auto& w) { profile(w, "*", [](auto& p) {
                       p.signals[15] = {0s, 0, true};
                     }); },
       20s,
       remove_pod},
      {"the deletion is shortened",
       {box("c")},
       {},
       [](auto& w) { profile(w, "*", [](auto& p) {
                       p.signals[15] = {0s, 0, true};
                     }); },
       20s,
       [](auto& w) {
         w.remove("p");
         w.sim.run_for(3s);
         w.remove("p", 1);
       }},
      {"sidecars end last",
       {box("c")},
       {{"initContainers", {side("i"), side("j")}}},
       [](auto& w) { profile(w, "*", [](auto& p) {
                       p.signals[15] = {2s, 0};
                     }); },
       20s,
       remove_pod},
      {"the pod is taken away",
       {box("c")},
       {{"volumes", {json_object{{"name", "v"}, {"emptyDir", json_object{}}}}}},
       [](auto&) {},
       20s,
       remove_pod},
  };
}

/// What the containers saw: kind, attempt, code and when, each container by itself.
struct seen {
  std::map<std::string, std::vector<std::string>> by_container;
  std::map<std::string, std::vector<double>> times;
  std::string end;
  bool broken = false;
};

seen live(const life_step& step, const std::string& target, uint64_t nth, bool kill, nanoseconds more) {
  node_world w({.seed = 7});
  step.behave(w);
  w.start_node();
  w.sim.run_for(1s);
  w.create(pod_manifest("p", step.containers, step.spec));
  w.sim.run_for(step.before);
  if (!target.empty()) w.sim.trace().sabotage(target, nth, kill);
  step.act(w);
  w.sim.run_for(step.span + more);
  seen out;
  out.broken = w.sim.trace().sabotaged();
  for (auto& e : w.world->history(w.sim.now()).events()) {
    using kind = sim_event_kind;
    if (e.kind == kind::refused || e.kind == kind::removed) continue;
    auto& list = out.by_container[e.key.name];
    auto text = to_string(e.kind) + '#' + std::to_string(e.key.attempt) + ' ' + std::to_string(e.code);
    // A signal whose answer nobody heard is sent again; the second changes nothing.
    if (e.kind == kind::signalled && !list.empty() && list.back() == text) continue;
    list.push_back(text);
    out.times[e.key.name].push_back(std::chrono::duration<double>(e.at.time_since_epoch()).count());
  }
  if (auto ref = w.get("p")) {
    out.end = ref->as_pod().status.phase;
    for (auto& s : ref->as_pod().status.container_statuses)
      out.end += ' ' + s.name.value + '=' + std::to_string(s.restart_count) + (s.ready ? "ready" : "");
  }
  w.check_invariants();
  return out;
}

void check_same(const seen& whole, const seen& broken, double tolerance, const std::string& what) {
  BOOST_TEST(broken.end == whole.end, what);
  for (auto& [name, list] : whole.by_container) {
    auto other = broken.by_container.find(name);
    BOOST_TEST((other != broken.by_container.end()), what << ": nothing of " << name);
    if (other == broken.by_container.end()) continue;
    std::string text, want;
    for (auto& e : other->second)
      text += e + "; ";
    for (auto& e : list)
      want += e + "; ";
    BOOST_TEST(text == want, what << ": " << name);
    if (text != want) continue;
    for (size_t i = 0; i < list.size(); ++i)
      BOOST_TEST(std::abs(whole.times.at(name)[i] - broken.times.at(name)[i]) <= tolerance,
                 what << ": " << name << ' ' << list[i] << " at " << broken.times.at(name)[i]
                      << " s and not at " << whole.times.at(name)[i]);
  }
}

/// `pause`: how long it takes until what was asked of a broken one is asked again.
void break_in_every_step(const std::vector<std::string>& targets, bool kill, nanoseconds pause = 0s) {
  uint64_t broken = 0;
  for (auto& step : life()) {
    auto whole = live(step, "", 0, false, pause);
    for (auto& target : targets)
      for (uint64_t nth = 1; nth <= 12; ++nth) {
        auto what = std::string{step.name} + ", " + target + (kill ? " killed at " : " throws at ")
                    + std::to_string(nth);
        auto one = live(step, target, nth, kill, pause);
        if (!one.broken) break;
        ++broken;
        check_same(whole, one, step.tolerance + std::chrono::duration<double>(pause).count(), what);
      }
  }
  BOOST_TEST(broken > 12 * targets.size(), "only " << broken << " actors were broken");
}

const std::vector<std::string> of_a_pod = {
    "node/default/p",          "node/default/p/c",          "node/default/p/d",
    "node/default/p/i",        "node/default/p/c/liveness", "node/default/p/d/readiness",
    "node/default/p/c/startup"};

} // namespace

BOOST_AUTO_TEST_SUITE(supervision_steps)

BOOST_AUTO_TEST_CASE(an_exception_in_every_step) {
  break_in_every_step(of_a_pod, false);
}

BOOST_AUTO_TEST_CASE(killed_in_every_step) {
  break_in_every_step(of_a_pod, true);
}

BOOST_AUTO_TEST_CASE(an_exception_in_what_stands_around_the_pod) {
  // A port that forgets what it was asked is asked again when its answer is overdue.
  break_in_every_step({"node", "node/images", "volumes"}, false, 125s);
}

BOOST_AUTO_TEST_SUITE_END()
