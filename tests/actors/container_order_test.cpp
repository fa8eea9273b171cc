// The order of start and end of a pod's containers, as tables. Source: pod-semantics §3.1, §3.2, §3.6, §4,
// §9.
#include "actors/container_order.hpp"
#include "actors/container_rules.hpp"
#include "actors/pod_rules.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;

namespace {

/// One letter a container, in the order of the spec: i(nit), s(idecar), r(egular), e(phemeral). What is known
/// of each: - nothing, c(reated), r(unning), R(unning and started), 0, 1, 2: ended with that code.
struct pod_text {
  std::string kinds, known;
  std::string policy = "Always";
};

std::string name_of(const std::string& kinds, size_t i) {
  return kinds.substr(i, 1) + std::to_string(i);
}

pod_spec spec_of(const pod_text& t) {
  pod_spec out;
  out.restart_policy = t.policy;
  for (size_t i = 0; i < t.kinds.size(); ++i) {
    container_spec c;
    c.name = name_of(t.kinds, i);
    if (t.kinds[i] == 's') c.restart_policy = "Always";
    auto& list = t.kinds[i] == 'r'   ? out.containers
                 : t.kinds[i] == 'e' ? out.ephemeral_containers
                                     : out.init_containers;
    list.push_back(c);
  }
  return out;
}

pod_memory memory_of(const pod_text& t) {
  pod_memory out;
  for (size_t i = 0; i < t.kinds.size(); ++i) {
    auto is = t.known[i];
    if (is == '-') continue;
    auto& m = out.containers[name_of(t.kinds, i)];
    m.current.emplace();
    m.current->phase = is == 'c'                ? container_phase::created
                       : is == 'r' || is == 'R' ? container_phase::running
                                                : container_phase::exited;
    m.started = m.ready = is == 'R';
    if (m.current->phase == container_phase::exited) m.current->exit_code = is - '0';
  }
  return out;
}

/// h(old), r(un), s(top), w: stop, the signal waits for others.
std::string orders_text(const pod_text& t, const pod_orders& orders) {
  std::string out;
  for (size_t i = 0; i < t.kinds.size(); ++i) {
    auto order = orders.containers.at(name_of(t.kinds, i));
    out += order.wish == container_wish::hold  ? 'h'
           : order.wish == container_wish::run ? 'r'
           : order.hold_signal                 ? 'w'
                                               : 's';
  }
  return out;
}

restart_rule rule(const char* action, const char* op, std::vector<int32_t> codes) {
  return {action, exit_code_match{op, std::move(codes)}};
}

} // namespace

BOOST_AUTO_TEST_SUITE(container_order)

BOOST_AUTO_TEST_CASE(the_order_of_start) {
  struct row {
    const char* what;
    pod_text pod;
    const char* orders;
    bool over = false;
  };
  for (auto& r : {
           row{"only regular ones: at once", {"rr", "--"}, "rr"},
           row{"the first init container alone", {"iirr", "----"}, "rhhh"},
           row{"it is being made", {"iirr", "c---"}, "rhhh"},
           row{"a running one is waited for", {"iirr", "R---"}, "rhhh"},
           row{"the next comes when it ended well", {"iirr", "0---"}, "rrhh"},
           row{"a failed one is run again", {"iirr", "1---"}, "rhhh"},
           row{"also where the pod restarts on failure", {"iirr", "1---", "OnFailure"}, "rhhh"},
           row{"never again: the pod is over", {"iirr", "1---", "Never"}, "rhhh", true},
           row{"the last has ended: all regular ones", {"iirr", "00--"}, "hrrr"},
           row{"regular ones run: init containers are not looked at", {"iirr", "00RR"}, "hhrr"},
           row{"even where their records are gone", {"iirr", "--R-"}, "hhrr"},
           row{"or one had failed", {"iirr", "01R-"}, "hhrr"},
           row{"regular ones have ended: init containers stay ended", {"iirr", "0011"}, "hrrr"},
           row{"a sidecar that is not started is waited for", {"sir", "r--"}, "rhh"},
           row{"a started one is not", {"sir", "R--"}, "rrh"},
           row{"and is kept while others begin", {"sir", "RR-"}, "rrh"},
           row{"an earlier one that ended comes again meanwhile", {"sir", "1R-"}, "rrh"},
           row{"also where the pod never restarts", {"sir", "0R-", "Never"}, "rrh"},
           row{"init through, sidecar runs: regular ones", {"sir", "R0-"}, "rrr"},
           row{"the last is a sidecar: it is waited for", {"isr", "0r-"}, "hrh"},
           row{"and then not", {"isr", "0R-"}, "hrr"},
           row{"a last sidecar that ended holds regular ones that do not run", {"sr", "1-"}, "rh"},
           row{"and not those that do", {"sr", "1R"}, "rr"},
           row{"a sidecar whose record is gone comes while regular ones run", {"ssr", "--R"}, "rrr"},
           row{"two sidecars one after the other", {"ssr", "r--"}, "rhh"},
           row{"the second", {"ssr", "R--"}, "rrh"},
           row{"the second is not started", {"ssr", "Rr-"}, "rrh"},
           row{"both", {"ssr", "RR-"}, "rrr"},
           row{"a regular one that is made counts as running", {"ir", "-c"}, "hr"},
           row{"an init container between sidecars", {"sisr", "R0--"}, "rrrh"},
           row{"ephemeral ones wait for nothing", {"ire", "---"}, "rhr"},
           row{"nor do they come again: their own rules say so", {"ire", "0R0"}, "hrr"},
           row{"all have ended well", {"rr", "00", "OnFailure"}, "rr", true},
           row{"one comes again", {"rr", "01", "OnFailure"}, "rr"},
           row{"all have ended", {"rr", "01", "Never"}, "rr", true},
           row{"sidecars do not keep a pod alive", {"sr", "R0", "Never"}, "rr", true},
           row{"nor do ended ones that would come again", {"sr", "10", "Never"}, "rh", true},
           row{"nor ephemeral ones", {"re", "0R", "Never"}, "rr", true},
           row{"always: an end is no end", {"sr", "R0"}, "rr"},
       }) {
    auto orders = order_containers(spec_of(r.pod), memory_of(r.pod), pod_stage::ready);
    BOOST_TEST(orders_text(r.pod, orders) == r.orders, r.what);
    BOOST_TEST(!orders.over.empty() == r.over, r.what << ": " << orders.over);
    BOOST_TEST(orders.reset == "", r.what);
  }
}

BOOST_AUTO_TEST_CASE(nothing_begins_before_the_sandbox) {
  pod_text p{"isre", "----"};
  BOOST_TEST(orders_text(p, order_containers(spec_of(p), memory_of(p), pod_stage::preparing)) == "hhhh");
}

BOOST_AUTO_TEST_CASE(the_order_of_end) {
  struct row {
    const char* what;
    pod_text pod;
    const char* orders;
  };
  for (auto& r : {
           row{"all at once", {"rr", "RR"}, "ss"},
           row{"sidecars wait for regular ones", {"ssr", "RRR"}, "wws"},
           row{"the later one goes first", {"ssr", "RR0"}, "wss"},
           row{"then the earlier", {"ssr", "R00"}, "sss"},
           row{"one that does not run counts as gone", {"sssr", "R1R0"}, "swss"},
           row{"every regular one is waited for", {"srr", "R0R"}, "wss"},
           row{"init containers are not held", {"sir", "RR-"}, "sss"},
           row{"nor are ephemeral ones, and nobody waits for them", {"sre", "R0R"}, "sss"},
           row{"one that was made and not started is there", {"sr", "Rc"}, "ws"},
       })
    for (auto stage : {pod_stage::ending, pod_stage::renewing}) {
      auto orders = order_containers(spec_of(r.pod), memory_of(r.pod), stage);
      BOOST_TEST(orders_text(r.pod, orders) == r.orders, r.what);
    }
}

// §3.2
BOOST_AUTO_TEST_CASE(restart_rules_of_containers) {
  struct row {
    const char *own, *pod;
    std::vector<restart_rule> rules;
    int code;
    restart_action expected;
  };
  using enum restart_action;
  for (auto& r : {
           row{"", "Always", {}, 0, restart},
           row{"", "OnFailure", {}, 0, none},
           row{"", "Never", {}, 1, none},
           row{"Never", "Always", {}, 1, none},
           row{"Always", "Never", {}, 0, restart},
           row{"OnFailure", "Never", {}, 0, none},
           row{"OnFailure", "Never", {}, 3, restart},
           row{"Never", "Never", {rule("Restart", "In", {42, 43})}, 43, restart},
           row{"Never", "Never", {rule("Restart", "In", {42, 43})}, 44, none},
           row{"Never", "Never", {rule("Restart", "NotIn", {1})}, 2, restart},
           row{"Never", "Never", {rule("Restart", "NotIn", {1})}, 1, none},
           row{"Never", "Never", {rule("RestartAllContainers", "In", {7})}, 7, restart_all},
           row{"Always", "Never", {rule("RestartAllContainers", "In", {7})}, 7, restart_all},
           row{"Never",
               "Never",
               {rule("Restart", "In", {7}), rule("RestartAllContainers", "In", {7})},
               7,
               restart},
           row{"Never", "Never", {restart_rule{"Restart", {}}}, 7, none},
           // Rules of a container without a policy of its own are no rules.
           row{"", "Never", {rule("Restart", "In", {7})}, 7, none},
       }) {
    pod_spec pod;
    pod.restart_policy = r.pod;
    container_spec c;
    if (*r.own) c.restart_policy = r.own;
    c.restart_policy_rules = r.rules;
    auto terms = restart_terms_of(pod, {&c, container_kind::regular});
    BOOST_TEST((action_after(terms, r.code) == r.expected), r.own << ' ' << r.pod << ' ' << r.code);
  }
}

BOOST_AUTO_TEST_CASE(init_and_ephemeral_containers_have_terms_of_their_own) {
  pod_spec always;
  container_spec c;
  for (int code : {0, 1}) {
    BOOST_TEST((action_after(restart_terms_of(always, {&c, container_kind::init}), code)
                == (code ? restart_action::restart : restart_action::none)));
    BOOST_TEST((action_after(restart_terms_of(always, {&c, container_kind::ephemeral}), code)
                == restart_action::none));
  }
  c.restart_policy = "Never";
  BOOST_TEST((action_after(restart_terms_of(always, {&c, container_kind::init}), 1) == restart_action::none));
}

BOOST_AUTO_TEST_CASE(all_containers_are_restarted_in_place) {
  pod_text p{"sire", "R0RR", "Never"};
  auto spec = spec_of(p);
  spec.containers[0].restart_policy = "Never";
  spec.containers[0].restart_policy_rules = {rule("RestartAllContainers", "In", {2})};
  p.known = "R02R";
  auto memory = memory_of(p);
  auto orders = order_containers(spec, memory, pod_stage::ready);
  BOOST_TEST(orders.reset == "restart rule RestartAllContainers: container r2 ended with exit code 2");
  BOOST_TEST(orders.over == "");
  BOOST_TEST(orders_text(p, orders) == "sssr"); // nobody waits for a turn, and who debugs is left alone
  p.known = "102R";
  memory = memory_of(p);
  begin_new_round(spec, memory);
  orders = order_containers(spec, memory, pod_stage::ready);
  BOOST_TEST(orders.reset == "");
  BOOST_TEST(orders_text(p, orders) == "rhhr"); // from the first init container on
  memory.containers["s0"].current->phase = container_phase::running;
  memory.containers["s0"].current->round = 1;
  memory.containers["s0"].started = true;
  BOOST_TEST(orders_text(p, order_containers(spec, memory, pod_stage::ready)) == "rrhr");
}

BOOST_AUTO_TEST_CASE(a_new_sandbox_begins_with_the_init_containers) {
  struct row {
    const char* what;
    pod_text pod;
    bool begins;
    const char* orders;
  };
  for (auto& r : {
           row{"all again", {"irr", "011"}, true, "rhh"},
           row{"what had succeeded stays so", {"irr", "001", "OnFailure"}, true, "rhh"},
           row{"a pod that never restarts ends", {"ir", "01", "Never"}, false, ""},
           row{"unless nothing of it was made", {"ir", "--", "Never"}, true, "rh"},
       }) {
    auto spec = spec_of(r.pod);
    auto memory = memory_of(r.pod);
    BOOST_TEST(begin_in_new_sandbox(spec, memory) == r.begins, r.what);
    if (!r.begins) continue;
    BOOST_TEST(orders_text(r.pod, order_containers(spec, memory, pod_stage::ready)) == r.orders, r.what);
  }
  pod_text p{"irr", "001", "OnFailure"};
  auto spec = spec_of(p);
  auto memory = memory_of(p);
  begin_in_new_sandbox(spec, memory);
  BOOST_TEST(round_of(memory, "i0") == 1u);
  BOOST_TEST(round_of(memory, "r1") == 0u);
  BOOST_TEST(round_of(memory, "r2") == 1u);
}

// -- what is shown: §5.1, §5.2
// ---------------------------------------------------------------------------------------

namespace {

/// The status of a pod in those letters; `b` also: ended with 1, and waits in CrashLoopBackOff.
pod_status shown(pod_text t, bool terminal = false) {
  pod object;
  object.spec = spec_of(t);
  std::vector<std::string> back_off;
  for (size_t i = 0; i < t.known.size(); ++i)
    if (t.known[i] == 'b') {
      t.known[i] = '1';
      back_off.push_back(name_of(t.kinds, i));
    }
  auto memory = memory_of(t);
  for (auto& name : back_off)
    memory.containers[name].waiting_reason = "CrashLoopBackOff";
  memory.terminating = terminal;
  pod_facts facts;
  facts.object = &object;
  facts.memory = &memory;
  facts.terminal = terminal;
  facts.pod_ip = "10.0.0.1";
  return pod_status_of(facts, wall_time{});
}

std::string condition_text(const pod_status& s, const std::string& type) {
  for (auto& c : s.conditions)
    if (c.type == type) return c.status + (c.reason.empty() ? "" : " " + c.reason + " " + c.message);
  return "";
}

} // namespace

BOOST_AUTO_TEST_CASE(phases) {
  struct row {
    const char* what;
    pod_text pod;
    const char* phase;
    bool terminal = false;
  };
  for (auto& r : {
           row{"nothing yet", {"r", "-"}, "Pending"},
           row{"init runs", {"ir", "R-"}, "Pending"},
           row{"init backs off", {"ir", "b-"}, "Pending"},
           row{"init failed for good", {"ir", "1-", "Never"}, "Failed"},
           row{"init through, regular not made", {"ir", "0-"}, "Pending"},
           row{"running", {"ir", "0R"}, "Running"},
           row{"sidecar not started", {"sr", "r-"}, "Pending"},
           row{"sidecar not started, regular runs", {"sr", "rR"}, "Running"},
           row{"sidecar started, regular not made", {"sr", "R-"}, "Pending"},
           row{"crash loop is running", {"r", "b"}, "Running"},
           row{"crash loop on failure is running", {"rr", "0b", "OnFailure"}, "Running"},
           row{"one of two runs", {"rr", "R0", "Never"}, "Running"},
           row{"one of two was not made", {"rr", "R-"}, "Pending"},
           row{"all ended well", {"rr", "00", "Never"}, "Succeeded"},
           row{"one failed", {"rr", "01", "Never"}, "Failed"},
           row{"always: none is an end", {"r", "0"}, "Running"},
           row{"sidecar still runs", {"sr", "R0", "Never"}, "Running"},
           row{"sidecars' codes do not count", {"sr", "10", "Never"}, "Succeeded", true},
           row{"nor their being there", {"sr", "10", "Never"}, "Succeeded"},
           row{"ended from outside while it ran", {"r", "1"}, "Failed", true},
           row{"ended from outside while init ran", {"ir", "1-"}, "Failed", true},
           row{"ended from outside, and well", {"r", "0"}, "Succeeded", true},
           row{"ephemeral ones do not count", {"re", "01", "Never"}, "Succeeded"},
       })
    BOOST_TEST(shown(r.pod, r.terminal).phase == r.phase, r.what);
}

BOOST_AUTO_TEST_CASE(conditions) {
  struct row {
    const char* what;
    pod_text pod;
    const char *initialized, *containers_ready;
  };
  for (auto& r : {
           row{"init to do",
               {"iisr", "----"},
               "False ContainersNotInitialized containers with incomplete status: [i0 i1 s2]",
               "False ContainersNotReady containers with unready status: [s2 r3]"},
           row{"sidecar to start",
               {"iisr", "00r-"},
               "False ContainersNotInitialized containers with incomplete status: [s2]",
               "False ContainersNotReady containers with unready status: [s2 r3]"},
           row{"all there", {"iisr", "00RR"}, "True", "True"},
           row{"a sidecar that ended is not ready",
               {"sr", "1R"},
               "True",
               "False ContainersNotReady containers with unready status: [s0]"},
           row{"regular ones began: initialized it is", {"ir", "-R"}, "True", "True"},
           row{"without init containers",
               {"r", "-"},
               "True",
               "False ContainersNotReady containers with unready status: [r0]"},
           row{"succeeded", {"ir", "00", "Never"}, "True PodCompleted ", "False PodCompleted "},
           row{"failed", {"ir", "01", "Never"}, "True", "False PodFailed "},
           row{"failed init",
               {"ir", "1-", "Never"},
               "False ContainersNotInitialized containers with incomplete status: [i0]",
               "False PodFailed "},
       }) {
    auto s = shown(r.pod);
    BOOST_TEST(condition_text(s, "Initialized") == r.initialized, r.what);
    BOOST_TEST(condition_text(s, "ContainersReady") == r.containers_ready, r.what);
    BOOST_TEST(condition_text(s, "Ready") == r.containers_ready, r.what);
  }
}

BOOST_AUTO_TEST_CASE(readiness_gates) {
  pod object;
  pod_text t{"r", "R"};
  object.spec = spec_of(t);
  object.spec.readiness_gates = {{"example.com/a"}, {"example.com/b"}};
  auto memory = memory_of(t);
  pod_facts facts;
  facts.object = &object;
  facts.memory = &memory;
  auto ready = [&] { return condition_text(pod_status_of(facts, wall_time{}), "Ready"); };
  condition a;
  a.type = "example.com/a";
  a.status = "False";
  object.status.conditions = {a};
  BOOST_TEST(ready()
             == "False ReadinessGatesNotReady the status of pod readiness gate \"example.com/a\" is not "
                "\"True\", but False, corresponding condition of pod readiness gate \"example.com/b\" does "
                "not exist.");
  for (auto* type : {"example.com/a", "example.com/b"}) {
    a.type = type;
    a.status = "True";
    object.status.conditions.insert(object.status.conditions.begin(), a);
  }
  BOOST_TEST(ready() == "True");
  BOOST_TEST(condition_text(pod_status_of(facts, wall_time{}), "ContainersReady") == "True");
}

BOOST_AUTO_TEST_CASE(statuses_of_every_list) {
  auto s = shown({"isrre", "0Rr-R"});
  BOOST_REQUIRE(s.init_container_statuses.size() == 2u);
  BOOST_REQUIRE(s.container_statuses.size() == 2u);
  BOOST_REQUIRE(s.ephemeral_container_statuses.size() == 1u);
  BOOST_TEST(s.init_container_statuses[0].ready); // it has done its work
  BOOST_TEST(s.init_container_statuses[1].ready);
  BOOST_TEST(s.container_statuses[1].state.waiting->reason == "PodInitializing");
  BOOST_TEST(!s.ephemeral_container_statuses[0].ready);
  BOOST_TEST(!s.ephemeral_container_statuses[0].started);
  BOOST_TEST(shown({"r", "-"}).container_statuses[0].state.waiting->reason == "ContainerCreating");
}

BOOST_AUTO_TEST_CASE(images_are_shown_by_their_whole_name) {
  constexpr auto id = "docker.io/library/busybox@sha256:12";
  struct row {
    const char *image, *id, *shown;
  };
  for (auto& r : {row{"busybox", id, "docker.io/library/busybox:latest"},
                  row{"busybox:1.36", id, "docker.io/library/busybox:1.36"},
                  row{"busybox@sha256:34", id, "docker.io/library/busybox@sha256:34"},
                  row{"h:5000/a/b", "h:5000/a/b@sha256:12", "h:5000/a/b:latest"},
                  row{"h:5000/a/b:c", "h:5000/a/b@sha256:12", "h:5000/a/b:c"},
                  row{"busybox", "sha256:12", "busybox"}}) {
    container_spec spec;
    spec.name = "c";
    spec.image = r.image;
    container_memory memory;
    memory.current = instance_memory{};
    memory.current->phase = container_phase::running;
    memory.current->image_id = r.id;
    BOOST_TEST(status_of({&spec}, &memory, 0, "").image.value == r.shown);
  }
}

BOOST_AUTO_TEST_CASE(mounts_and_empty_times_are_shown) {
  pod_spec spec;
  spec.containers.resize(1);
  spec.containers[0].name = "c";
  spec.containers[0].volume_mounts.resize(3);
  auto& m = spec.containers[0].volume_mounts;
  m[0].name = m[1].name = m[2].name = "v";
  m[0].mount_path = "/a";
  m[1].mount_path = "/b";
  m[1].read_only = true;
  m[2].mount_path = "/c";
  m[2].read_only = true;
  m[2].recursive_read_only = "IfPossible";
  pod_status status;
  status.container_statuses.resize(1);
  status.container_statuses[0].name = "c";
  status.conditions.resize(1);
  auto shown = status_document_of(spec, status);
  BOOST_TEST(shown.at("conditions").at(0).at("lastProbeTime").is_null());
  BOOST_TEST(boost::json::serialize(shown.at("containerStatuses").at(0).at("volumeMounts"))
             == R"([{"name":"v","mountPath":"/a"},)"
                R"({"name":"v","mountPath":"/b","readOnly":true,"recursiveReadOnly":"Disabled"},)"
                R"({"name":"v","mountPath":"/c","readOnly":true,"recursiveReadOnly":"Enabled"}])");
}

BOOST_AUTO_TEST_CASE(what_never_came_is_not_shown_as_lost) {
  auto s = shown({"iir", "1--"}, true);
  BOOST_TEST(s.init_container_statuses[0].state.terminated->exit_code == 1);
  BOOST_TEST(bool(s.init_container_statuses[1].state.waiting));
  BOOST_TEST(bool(s.container_statuses[0].state.waiting));
  s = shown({"irr", "00-"}, true);
  BOOST_TEST(s.container_statuses[1].state.terminated->reason == "ContainerStatusUnknown");
}

BOOST_AUTO_TEST_SUITE_END()
