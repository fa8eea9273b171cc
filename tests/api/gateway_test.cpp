// The way to the registry when it fails: nobody is left waiting.
#include "api/gateway.hpp"
#include "core/base_actor.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <future>

using namespace podium;
using namespace podium::api;
using namespace std::chrono_literals;

namespace {

/// A registry that answers nothing.
class mute_registry final : public base_actor<registry_actor> {
public:
  mute_registry(caf::actor_config& cfg, env_ptr env) : base_actor(cfg, std::move(env), "registry") {}

protected:
  behavior_type handlers() override {
    return {[this](const create_object&) { return keep<object_ref>(); },
            [this](const update_object&) { return keep<object_ref>(); },
            [this](const put_status&) { return keep<object_ref>(); },
            [this](const bind_pod&) { return keep<object_ref>(); },
            [this](const delete_object&) { return keep<delete_result>(); },
            [this](const list_objects&) { return keep<object_list>(); },
            [this](const watch_next&) { return keep<watch_batch>(); }};
  }

private:
  template <class Reply>
  caf::result<Reply> keep() {
    return make_response_promise<Reply>();
  }
};

/// Makes the gateway throw at its nth message.
struct saboteur final : trace_sink {
  uint64_t nth = 0;
  std::atomic<uint64_t> seen{0};
  void delivered(std::string_view receiver, const caf::mailbox_element&, clock_time,
                 const caf::strong_actor_ptr&) override {
    if (receiver == "api/gateway" && ++seen == nth) throw std::runtime_error("sabotage");
  }
};

struct system_settings : caf::actor_system_config {
  system_settings() { set("scheduler.policy", caf::atom("sharing")); }
};

using reply = std::promise<caf::expected<delete_result>>;

} // namespace

BOOST_AUTO_TEST_SUITE(gateway_suite)

BOOST_AUTO_TEST_CASE(what_is_open_when_it_throws_or_ends_is_answered_503) {
  for (bool killed : {false, true}) {
    saboteur sabotage;
    if (!killed) sabotage.nth = 3;
    system_settings config;
    event_loop loop;
    caf::actor_system system{config};
    auto env = std::make_shared<actor_env>(1, nanoseconds{0}, &sabotage);
    auto registry = system.spawn<mute_registry>(env);
    std::unique_ptr<gateway> gate;
    std::vector<reply> replies(3);
    loop.run([&] {
      gate = std::make_unique<gateway>(system, env, loop, registry, 1h);
      for (auto& r : replies) {
        delete_object request;
        request.key = {"pods", "default", "p"};
        gate->call(request, [&r](caf::expected<delete_result> x) { r.set_value(std::move(x)); });
      }
    });
    if (killed) caf::anon_send_exit(gate->actor(), caf::exit_reason::kill);
    for (auto& r : replies) {
      auto answer = r.get_future();
      BOOST_REQUIRE((answer.wait_for(20s) == std::future_status::ready));
      auto result = answer.get();
      BOOST_REQUIRE(!result);
      BOOST_TEST((code_of(result.error()) == errc::unavailable), message_of(result.error()));
    }
    loop.run([&] { gate.reset(); });
    caf::anon_send_exit(registry, caf::exit_reason::kill);
    registry = nullptr;
    system.await_all_actors_done();
    loop.stop();
  }
}

BOOST_AUTO_TEST_SUITE_END()
