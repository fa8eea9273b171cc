// Which container, and which instance of it, a request for a log means.
#include "api/pod_target.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::api;

namespace {

container_state_terminated ended(std::string id) {
  container_state_terminated t;
  t.container_id = std::move(id);
  return t;
}

} // namespace

BOOST_AUTO_TEST_SUITE(pod_target_suite)

BOOST_AUTO_TEST_CASE(the_log_is_of_the_instance_that_the_status_shows) {
  container_status running, crash_loop, completed, lost, fresh;
  running.container_id = "podium://2";
  running.state.running.emplace();
  running.last_state.terminated = ended("podium://1");
  crash_loop.container_id = "podium://3";
  crash_loop.state.waiting = container_state_waiting{"CrashLoopBackOff", ""};
  crash_loop.last_state.terminated = ended("podium://3");
  completed.state.terminated = ended("podium://1");
  lost.state.terminated = ended("");
  fresh.state.waiting = container_state_waiting{"ErrImagePull", ""};
  struct row {
    const char* what;
    container_status status;
    bool previous;
    std::string id, error;
  };
  auto of = std::string{"container \"c\" in pod \"p\""};
  for (auto& r :
       {row{"running", running, false, "podium://2", ""}, row{"running", running, true, "podium://1", ""},
        row{"crash loop", crash_loop, false, "podium://3", ""},
        row{"crash loop", crash_loop, true, "podium://3", ""},
        row{"completed", completed, false, "podium://1", ""},
        row{"completed", completed, true, "", "previous terminated " + of + " not found"},
        row{"lost", lost, false, "", of + " is terminated"},
        row{"fresh", fresh, false, "", of + " is waiting to start: trying and failing to pull image"}}) {
    pod p;
    p.metadata.name = "p";
    p.status.container_statuses = {r.status};
    p.status.container_statuses[0].name = "c";
    auto found = choose_logged_instance(p, "c", r.previous);
    auto* id = std::get_if<std::string>(&found);
    BOOST_TEST((id ? *id : "") == r.id, r.what);
    if (auto* f = std::get_if<failure>(&found))
      BOOST_TEST(std::string(f->status.body.at("message").as_string()) == r.error, r.what);
  }
}

BOOST_AUTO_TEST_CASE(nothing_enters_a_pod_that_has_ended) {
  pod p;
  p.metadata.name = "p";
  p.spec.node_name = "n";
  p.status.phase = "Running";
  BOOST_TEST(!check_runs(p, "attach"));
  p.status.phase = "Failed";
  auto f = check_runs(p, "attach");
  BOOST_REQUIRE(f);
  BOOST_TEST(std::string(f->status.body.at("message").as_string())
             == "cannot attach a container in a completed pod; current phase is Failed");
}

BOOST_AUTO_TEST_SUITE_END()
