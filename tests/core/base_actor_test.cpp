#include "core/base_actor.hpp"
#include "core/described.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/detail/test_actor_clock.hpp>
#include <caf/scheduler/test_coordinator.hpp>

using namespace podium;
using namespace std::chrono_literals;

namespace {

struct count_reply {
  int64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(count_reply, (), (count))
template <class I>
typename I::result_type inspect(I& f, count_reply& x) {
  return f(x.count);
}

using add_atom = caf::atom_constant<caf::atom("add")>;
using fail_atom = caf::atom_constant<caf::atom("fail")>;
using kill_atom = caf::atom_constant<caf::atom("killchild")>;
using counter_actor = caf::typed_actor<caf::replies_to<add_atom>::with<count_reply>,
                                       caf::replies_to<fail_atom>::with<count_reply>,
                                       caf::replies_to<caf::get_atom>::with<count_reply>>;

struct counter : base_actor<counter_actor> {
  using base_actor::base_actor;
  int64_t durable = 0, starts = 0, ticks = 0;
  void on_start() override {
    ++starts;
    ticks = 0;
    tick();
  }
  void tick() {
    after(10s, [this] {
      ++ticks;
      tick();
    });
  }
  behavior_type handlers() override {
    return {[this](add_atom) { return count_reply{++durable}; },
            [](fail_atom) -> count_reply { throw std::runtime_error("boom"); },
            [this](caf::get_atom) { return count_reply{durable * 10'000 + starts * 100 + ticks}; }};
  }
};

struct fixture {
  caf::actor_system_config cfg;
  std::unique_ptr<caf::actor_system> sys;
  env_ptr env = std::make_shared<actor_env>(1);
  fixture() {
    cfg.set("scheduler.policy", caf::atom("testing"));
    sys = std::make_unique<caf::actor_system>(cfg);
  }
  ~fixture() {
    sched().clock().cancel_all();
    sched().run();
  }
  caf::scheduler::test_coordinator& sched() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(sys->scheduler());
  }
  void run_for(nanoseconds d) {
    auto& s = sched();
    auto end = s.clock().now() + d;
    s.run();
    for (;;) {
      auto& q = s.clock().schedule();
      if (q.empty() || q.begin()->first > end) break;
      s.advance_time(std::max(q.begin()->first - s.clock().now(), nanoseconds{0}));
      s.run();
    }
    s.advance_time(end - s.clock().now());
    s.run();
  }
  template <class Atom>
  std::pair<int64_t, caf::error> call(const counter_actor& a, Atom what) {
    std::pair<int64_t, caf::error> out{-1, {}};
    // CAF binds a reference to nothing when a function-based actor has no argument: UBSan says so.
    sys->spawn(
        [&, a, what](caf::event_based_actor* self, int) {
          self->request(a, 30s, what)
              .then([&](const count_reply& r) { out.first = r.count; },
                    [&](caf::error& e) { out.second = e; });
        },
        0);
    run_for(31s);
    return out;
  }
};

struct drop_all : fault_filter {
  fault_verdict::kind what;
  explicit drop_all(fault_verdict::kind k) : what(k) {}
  fault_verdict judge(std::string_view receiver, const caf::mailbox_element& e) const override {
    if (receiver != "counter" || e.mid.is_response()) return {};
    return {what, 7s};
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(base_actor_suite, fixture)

BOOST_AUTO_TEST_CASE(restarts_in_place_and_answers_the_asker) {
  auto a = sys->spawn<counter>(env, "counter");
  BOOST_TEST(call(a, add_atom::value).first == 1);
  auto failed = call(a, fail_atom::value);
  BOOST_TEST(message_of(failed.second) == "counter: boom");
  // Same handle, what is durable is kept, the volatile part was made anew: at 93 s three restarts' worth of
  // ticks are not there.
  auto v = call(a, caf::get_atom::value).first;
  BOOST_TEST(v / 10'000 == 1);
  BOOST_TEST(v / 100 % 100 == 2);
  caf::anon_send_exit(a, caf::exit_reason::kill);
}

BOOST_AUTO_TEST_CASE(deadlines_fire_in_virtual_time_and_do_not_pin) {
  {
    auto a = sys->spawn<counter>(env, "counter");
    run_for(1h);
    BOOST_TEST(call(a, caf::get_atom::value).first == 1 * 100 + 360);
    caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
  }
  run_for(0s);
  BOOST_TEST(sched().clock().schedule().empty());
}

BOOST_AUTO_TEST_CASE(faults_drop_delay_duplicate) {
  auto a = sys->spawn<counter>(env, "counter");
  run_for(0s);
  drop_all drop{fault_verdict::kind::drop}, delay{fault_verdict::kind::delay},
      twice{fault_verdict::kind::duplicate};
  env->set_faults(&drop);
  BOOST_TEST((code_of(call(a, add_atom::value).second) == errc::timeout));
  env->set_faults(&delay);
  auto before = sched().clock().now();
  BOOST_TEST(call(a, add_atom::value).first == 1);
  BOOST_TEST((sched().clock().now() - before >= 7s));
  env->set_faults(&twice);
  call(a, add_atom::value);
  env->set_faults(nullptr);
  BOOST_TEST(call(a, caf::get_atom::value).first / 10'000 == 3);
  caf::anon_send_exit(a, caf::exit_reason::kill);
}

namespace {
using parent_actor =
    caf::typed_actor<caf::replies_to<caf::get_atom>::with<count_reply>, caf::reacts_to<kill_atom>>;
struct parent : base_actor<parent_actor> {
  using base_actor::base_actor;
  counter_actor child;
  int64_t born = 0;
  void on_start() override {
    if (!child) bear();
  }
  void bear() {
    ++born;
    child = this->spawn<counter>(env(), "child");
    adopt_child(child, [this](const caf::error&) { bear(); });
  }
  void ended() override { child = nullptr; }
  behavior_type handlers() override {
    return {[this](caf::get_atom) {
              auto rp = this->make_response_promise<count_reply>();
              ask(
                  child, 1s, [rp, this](const count_reply&) mutable { rp.deliver(count_reply{born}); },
                  [rp](const caf::error& e) mutable { rp.deliver(e); }, caf::get_atom::value);
              return rp;
            },
            [this](kill_atom) { this->send_exit(child, caf::exit_reason::kill); }};
  }
};
} // namespace

BOOST_AUTO_TEST_CASE(children_are_respawned_and_end_with_their_parent) {
  int64_t born = 0;
  auto p = sys->spawn<parent>(env, "parent");
  run_for(0s);
  BOOST_TEST(sys->registry().running() == 2u);
  for (int i = 0; i < 3; ++i) {
    caf::anon_send(p, kill_atom::value);
    run_for(1s);
  }
  sys->spawn(
      [&](caf::event_based_actor* self, int) {
        self->request(p, 1s, caf::get_atom::value)
            .then([&](const count_reply& r) { born = r.count; }, [](caf::error&) {});
      },
      0);
  run_for(1s);
  BOOST_TEST(born == 4);
  caf::anon_send_exit(p, caf::exit_reason::kill);
  run_for(0s);
  BOOST_TEST(sys->registry().running() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
