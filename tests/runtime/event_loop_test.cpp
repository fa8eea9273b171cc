#include "runtime/loop/event_loop.hpp"
#include "runtime/loop/result_of.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <future>
#include <thread>

using namespace podium;

BOOST_AUTO_TEST_SUITE(event_loop_calls)

BOOST_AUTO_TEST_CASE(run_after_stop_returns_instead_of_waiting_for_ever) {
  event_loop loop;
  bool ran = false;
  BOOST_TEST(loop.run([&] { ran = true; }));
  BOOST_TEST(ran);
  loop.stop();
  BOOST_TEST(!loop.run([] {}));
  BOOST_TEST(!loop.post([] {}));
}

BOOST_AUTO_TEST_CASE(every_accepted_post_runs_even_when_stop_races_with_it) {
  for (int round = 0; round < 200; ++round) {
    event_loop loop;
    std::atomic<int> accepted = 0, ran = 0;
    std::thread poster{[&] {
      while (loop.post([&] { ++ran; }))
        ++accepted;
    }};
    loop.stop();
    poster.join();
    BOOST_TEST_REQUIRE(ran == accepted);
  }
}

BOOST_AUTO_TEST_CASE(timers_fire_in_order_and_can_be_cancelled) {
  event_loop loop;
  std::promise<std::string> done;
  std::string order;
  loop.run([&] {
    loop.after(std::chrono::milliseconds{2}, [&] {
      order += "b";
      done.set_value(order);
    });
    loop.after(std::chrono::milliseconds{0}, [&] { order += "a"; });
    loop.cancel(loop.after(std::chrono::milliseconds{1}, [&] { order += "x"; }));
  });
  BOOST_TEST(done.get_future().get() == "ab");
}

BOOST_AUTO_TEST_CASE(jobs_that_hang_hold_up_no_others) {
  event_loop loop;
  std::promise<void> gate;
  auto opened = gate.get_future().share();
  std::promise<void> ran;
  auto through = ran.get_future();
  std::atomic<int> finished = 0;
  {
    work_pool pool{loop, 1};
    for (int i = 0; i < 5; ++i)
      pool.submit([&, opened] { opened.wait(), ++finished; }, {});
    pool.submit([] {}, [&] { ran.set_value(); });
    bool in_time = through.wait_for(std::chrono::seconds{20}) == std::future_status::ready;
    gate.set_value();
    BOOST_TEST(in_time);
  }
  BOOST_TEST(finished == 5); // what runs is finished
}

BOOST_AUTO_TEST_CASE(a_pool_that_may_leave_its_jobs_ends_without_them) {
  event_loop loop;
  std::promise<void> gate, over;
  auto opened = gate.get_future().share();
  auto answer = std::make_shared<int>();
  {
    work_pool pool{loop, 1, 10, work_pool::at_end::leave};
    std::promise<void> begun;
    pool.submit([&, opened] { begun.set_value(), opened.wait(), over.set_value(); }, [answer] {});
    begun.get_future().wait();
  }
  BOOST_TEST(answer.use_count() == 1); // what the answer held is not the stuck thread's
  gate.set_value();
  over.get_future().wait();
}

BOOST_AUTO_TEST_CASE(a_job_that_throws_has_an_error_for_a_result) {
  auto result = result_of([]() -> caf::expected<int> { throw std::runtime_error("no thread to be had"); });
  BOOST_REQUIRE(!result);
  BOOST_TEST((code_of(result.error()) == errc::unavailable));
  BOOST_TEST(message_of(result.error()) == "on this node: no thread to be had");
  BOOST_TEST(result_of([]() -> caf::expected<int> { return 7; }).value() == 7);
}

BOOST_AUTO_TEST_SUITE_END()
