// The actors of a pod broken on a real node, with real containers: each is rebuilt, and the containers do not
// notice. The same as tests/actors/supervision_steps_test.cpp, which breaks them in every step, but live.
#include "core/error.hpp"
#include "podium/engine.hpp"
#include "tests/podium/engine_dir.hpp"

#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>

using namespace podium;
using namespace podium::test;
using namespace std::chrono_literals;

namespace {

/// Breaks the actor at `path` at its nth message: it throws, or is killed.
class saboteur final : public trace_sink {
public:
  void arm(std::string path, int nth, bool kill) {
    std::lock_guard guard{mutex_};
    path_ = std::move(path);
    left_ = nth;
    kill_ = kill;
  }
  /// Whether it has happened.
  bool disarm() {
    std::lock_guard guard{mutex_};
    path_.clear();
    return left_ == 0;
  }
  void delivered(std::string_view receiver, const caf::mailbox_element& element, clock_time,
                 const caf::strong_actor_ptr& self) override {
    std::lock_guard guard{mutex_};
    if (left_ == 0 || receiver != path_ || element.content().match_elements<caf::exit_msg>()) return;
    if (--left_ > 0) return;
    if (!kill_) throw std::runtime_error("sabotage");
    self->enqueue(nullptr, caf::make_message_id(caf::message_priority::high),
                  caf::make_message(caf::exit_msg{self->address(), caf::exit_reason::kill}), nullptr);
  }

private:
  std::mutex mutex_;
  std::string path_;
  int left_ = 0;
  bool kill_ = false;
};

/// A node with one image, and what its pods say.
struct live_node {
  engine_dir dir;
  std::shared_ptr<saboteur> breaker = std::make_shared<saboteur>();
  std::unique_ptr<engine> e;
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t changes = 0;

  live_node() {
    auto layout = (dir.path / "layout").string();
    auto make = std::string{"sh '" PODIUM_SOURCE_DIR "/packaging/make-busybox-layout.sh' '"} + layout + "'";
    BOOST_REQUIRE(std::system(make.c_str()) == 0);
    auto path = std::string{PODIUM_BINARY_DIR ":"} + std::getenv("PATH");
    ::setenv("PATH", path.c_str(), 1); // podium's helpers lie beside podium, not beside this test
    auto settings = dir.settings();
    settings.registry_mirrors["docker.io"] = {{layout, "", false}};
    auto started = engine::start(settings, {}, {breaker, nullptr});
    BOOST_REQUIRE_MESSAGE(started, (started ? "" : message_of(started.error())));
    e = std::move(*started);
    e->on_change("pods", [this](const watch_event&) {
      std::lock_guard guard{mutex};
      ++changes;
      changed.notify_all();
    });
  }
  ~live_node() {
    e->remove_all_pods(30s);
    e.reset();
  }

  object_ref get(const std::string& name) { return e->view().snapshot("pods")->find("default", name); }

  bool wait(const std::function<bool()>& done, nanoseconds limit) {
    auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
      std::unique_lock lock{mutex};
      auto seen = changes;
      lock.unlock();
      if (done()) return true;
      lock.lock();
      if (!changed.wait_until(lock, end, [&] { return changes != seen; })) return done();
    }
  }

  bool ready(const std::string& name) {
    auto ref = get(name);
    if (!ref) return false;
    for (auto& c : ref->as_pod().status.conditions)
      if (c.type == "Ready") return c.status == "True";
    return false;
  }

  std::vector<object_key> create(const std::string& name) {
    auto file = (dir.path / (name + ".yaml")).string();
    std::ofstream{file} << R"(apiVersion: v1
kind: Pod
metadata: {name: )" << name
                        << R"(}
spec:
  terminationGracePeriodSeconds: 5
  initContainers:
  - {name: i, image: busybox, command: ["true"]}
  containers:
  - name: c
    image: busybox
    command: [sh, -c, "trap 'exit 0' TERM; sleep 3600 & wait"]
    readinessProbe: {exec: {command: ["true"]}, periodSeconds: 1}
    lifecycle: {preStop: {exec: {command: ["true"]}}}
  - name: d
    image: busybox
    command: [sh, -c, "trap 'exit 0' TERM; sleep 3600 & wait"]
)";
    auto keys = e->apply(file);
    BOOST_REQUIRE_MESSAGE(keys, (keys ? "" : message_of(keys.error())));
    return *keys;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(live_faults)

BOOST_AUTO_TEST_CASE(actors_of_a_real_pod_are_rebuilt_and_the_containers_do_not_notice) {
  live_node node;
  int broken = 0, lives = 0;
  for (auto* actor : {"", "/c", "/i", "/c/readiness"})
    for (bool kill : {false, true})
      for (int nth : {1, 2, 4, 7, 11}) {
        auto name = "p" + std::to_string(++lives);
        auto what = name + actor + (kill ? " killed at " : " throws at ") + std::to_string(nth);
        node.breaker->arm("node/engine-test/default/" + name + actor, nth, kill);
        auto keys = node.create(name);
        BOOST_TEST(node.wait([&] { return node.ready(name); }, 60s), what);
        auto ref = node.get(name);
        BOOST_REQUIRE(ref);
        for (auto* list :
             {&ref->as_pod().status.container_statuses, &ref->as_pod().status.init_container_statuses})
          for (auto& s : *list)
            BOOST_TEST(s.restart_count == 0, what << ": " << s.name.value);
        BOOST_TEST(node.e->remove(keys, 60s), what);
        if (!node.breaker->disarm()) break;
        ++broken;
      }
  BOOST_TEST(broken >= 20, "only " << broken << " actors were broken");
  BOOST_TEST(!node.e->failure());
}

BOOST_AUTO_TEST_SUITE_END()
