#include "oci_fixture.hpp"
#include "runtime/oci/container_streams.hpp"
#include "runtime/oci/log_rotation.hpp"
#include <condition_variable>
#include <csignal>

using namespace podium;
using namespace std::chrono_literals;

namespace {

/// What came out of a stream, seen from the test's thread.
struct recorder {
  std::mutex mutex;
  std::condition_variable changed;
  std::string out, err;
  std::optional<caf::expected<int>> end;

  stream_events events() {
    stream_events e;
    e.out = [this](std::string_view s) { note([&] { out += s; }); };
    e.err = [this](std::string_view s) { note([&] { err += s; }); };
    e.ended = [this](caf::expected<int> code) { note([&] { end.emplace(std::move(code)); }); };
    return e;
  }
  template <class F>
  void note(F f) {
    std::lock_guard guard{mutex};
    f();
    changed.notify_all();
  }
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock guard{mutex};
    return changed.wait_for(guard, 15s, condition);
  }
  bool ends() {
    return wait([this] { return end.has_value(); });
  }
  bool shows(const std::string& text) {
    return wait([&] { return out.find(text) != std::string::npos; });
  }
  int code() { return end && *end ? **end : -1; }
};

struct fixture : test::oci_fixture {
  std::unique_ptr<container_streams> streams = std::make_unique<container_streams>(*runtime);

  template <class F>
  std::shared_ptr<container_stream> on_loop(F f) {
    std::shared_ptr<container_stream> result;
    std::string why;
    loop.run([&] {
      auto s = f();
      if (s)
        result = *s;
      else
        why = message_of(s.error());
    });
    if (!result) throw std::runtime_error(why);
    return result;
  }
  void drop(std::shared_ptr<container_stream>& s) {
    loop.run([&] { s.reset(); });
  }
  std::shared_ptr<container_stream> exec_stream(const std::string& uid, exec_stream_request request,
                                                recorder& r) {
    return on_loop([&] { return streams->exec(uid, "main", request, r.events()); });
  }
  std::string newest_id(const std::string& uid) {
    std::string id;
    loop.run([&] {
      if (auto found = runtime->find(uid, "main")) id = "podium://" + found->id;
    });
    return id;
  }
  std::string logs(const std::string& uid, log_request request) {
    recorder r;
    auto s = on_loop([&] { return streams->logs(uid, "main", request, r.events()); });
    BOOST_TEST(r.ends());
    drop(s);
    return r.out;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(streaming, fixture)

BOOST_AUTO_TEST_CASE(exec_with_pipes) {
  BOOST_REQUIRE(make_pod("s1"));
  run(container("s1", "main", "sleep 1000"));
  recorder r;
  auto s = exec_stream("s1", {{"sh", "-c", "echo out; echo err >&2; exit 3"}, false, false}, r);
  BOOST_TEST(r.ends());
  BOOST_TEST(r.code() == 3);
  BOOST_TEST(r.out == "out\n");
  BOOST_TEST(r.err == "err\n");
  drop(s);
  // One megabyte through stdin and back.
  std::string data(1 << 20, '\0');
  for (size_t i = 0; i < data.size(); ++i)
    data[i] = static_cast<char>((i * 2654435761u) >> 24);
  recorder whole;
  s = exec_stream("s1", {{"cat"}, false, true}, whole);
  loop.run([&] {
    s->write(data);
    s->finish_input();
  });
  BOOST_TEST(whole.ends());
  BOOST_TEST(whole.code() == 0);
  BOOST_TEST((whole.out == data));
  drop(s);
  recorder missing;
  s = exec_stream("s1", {{"no-such-command"}, false, false}, missing);
  BOOST_TEST(missing.ends());
  BOOST_REQUIRE(!*missing.end);
  BOOST_TEST_MESSAGE(message_of(missing.end->error()));
  BOOST_TEST(message_of(missing.end->error()).find("executable file not found in $PATH")
             != std::string::npos);
  BOOST_TEST(missing.err == ""); // said once
  drop(s);
  recorder alike;
  s = exec_stream("s1", {{"sh", "-c", "printf 'executable file `x' >&2; printf y >&2; exit 4"}, false, false},
                  alike);
  BOOST_TEST(alike.ends());
  BOOST_TEST(alike.code() == 4);
  BOOST_TEST(alike.err == "executable file `xy"); // the command's own words are its own
  drop(s);
}

BOOST_AUTO_TEST_CASE(a_slow_reader_stops_the_program) {
  BOOST_REQUIRE(make_pod("s2"));
  run(container("s2", "main", "sleep 1000"));
  recorder r;
  std::shared_ptr<container_stream> s;
  loop.run([&] {
    auto e =
        streams->exec("s2", "main", {{"sh", "-c", "head -c 3000000 /dev/zero"}, false, false}, r.events());
    BOOST_REQUIRE(e);
    s = *e;
    s->pause();
  });
  BOOST_TEST(!r.end.has_value());
  loop.run([&] { s->resume(); });
  BOOST_TEST(r.ends());
  BOOST_TEST(r.out.size() == 3'000'000u);
  drop(s);
}

BOOST_AUTO_TEST_CASE(exec_with_a_terminal) {
  BOOST_REQUIRE(make_pod("s3"));
  run(container("s3", "main", "sleep 1000"));
  recorder r;
  auto s = exec_stream("s3", {{"sh"}, true, true}, r);
  loop.run([&] {
    s->resize(123, 45);
    s->write("stty size\n");
  });
  BOOST_TEST_INFO("so far: " << r.out);
  BOOST_TEST(r.shows("45 123"));
  loop.run([&] { s->resize(80, 24); });
  loop.run([&] { s->write("stty size; exit 6\n"); });
  BOOST_TEST(r.ends());
  BOOST_TEST(r.code() == 6);
  BOOST_TEST(r.out.find("24 80") != std::string::npos);
  drop(s);
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_takes_its_command_along) {
  BOOST_REQUIRE(make_pod("s4"));
  auto key = run(container("s4", "main", "sleep 1000"));
  recorder r;
  auto s = exec_stream("s4", {{"sh", "-c", "echo ready; sleep 4242"}, false, false}, r);
  BOOST_TEST(r.shows("ready"));
  drop(s);
  // SIGKILL takes effect a moment after it was sent.
  auto left = exec(key, {"sh", "-c", "while ps | grep -q 'sleep 424[2]'; do usleep 10000; done"}, 10s);
  BOOST_REQUIRE(left);
  BOOST_TEST(!left->timed_out);
}

BOOST_AUTO_TEST_CASE(attaching) {
  BOOST_REQUIRE(make_pod("s5"));
  auto request = container("s5", "main",
                           "echo first; while read line; do echo got $line; echo e-$line >&2; done; exit 5");
  request.spec.stdin_ = true;
  request.spec.stdin_once = true;
  auto key = run(request);
  recorder r;
  auto s = on_loop([&] { return streams->attach("s5", "main", {true}, r.events()); });
  loop.run([&] { s->write("one\n"); });
  BOOST_TEST(r.shows("got one\n"));
  loop.run([&] { s->finish_input(); });
  BOOST_TEST(r.ends());
  BOOST_TEST(r.err == "e-one\n");
  BOOST_TEST(end_of(key).exit_code == 5);
  drop(s);
}

/// It ends between the look at it and the connection.
BOOST_AUTO_TEST_CASE(attaching_to_what_has_just_ended) {
  BOOST_REQUIRE(make_pod("s13"));
  run(container("s13", "main", "sleep 1000"));
  std::string directory;
  loop.run([&] { directory = runtime->find("s13", "main")->directory; });
  BOOST_REQUIRE(::unlink((directory + "/attach").c_str()) == 0);
  recorder r;
  BOOST_CHECK_EXCEPTION(
      on_loop([&] { return streams->attach("s13", "main", {true}, r.events()); }), std::runtime_error,
      [](auto& e) { return std::string_view{e.what()} == "container main is not running"; });
}

BOOST_AUTO_TEST_CASE(attaching_to_a_terminal) {
  BOOST_REQUIRE(make_pod("s6"));
  auto request = container("s6", "main", "");
  request.spec.command = {"sh"};
  request.spec.stdin_ = true;
  request.spec.tty = true;
  auto key = run(request);
  recorder r;
  auto s = on_loop([&] { return streams->attach("s6", "main", {true}, r.events()); });
  loop.run([&] {
    s->resize(99, 33);
    s->write("until test \"$(stty size)\" = '33 99'; do usleep 10000; done; echo sized; read go; exit 2\n");
  });
  BOOST_TEST(r.shows("sized\r\n"));
  // Not before: of a terminal, conmon (2.1.6) may lose what a process says right before its end.
  loop.run([&] { s->write("go\n"); });
  BOOST_TEST(end_of(key).exit_code == 2);
  drop(s);
}

BOOST_AUTO_TEST_CASE(reading_logs) {
  BOOST_REQUIRE(make_pod("s7"));
  auto key = run(container("s7", "main", "seq 1 20000; printf 'no newline'"));
  end_of(key);
  auto all = logs("s7", {});
  BOOST_TEST(all.starts_with("1\n2\n3\n"));
  BOOST_TEST(all.ends_with("19999\n20000\nno newline"));
  log_request tail;
  tail.tail_lines = 3;
  BOOST_TEST(logs("s7", tail) == "19999\n20000\nno newline");
  log_request limited;
  limited.limit_bytes = 10;
  BOOST_TEST(logs("s7", limited).size() == 10u);
  log_request stamped;
  stamped.tail_lines = 2;
  stamped.timestamps = true;
  auto line = logs("s7", stamped);
  BOOST_TEST(parse_rfc3339(line.substr(0, line.find(' '))).has_value());
  log_request later;
  later.since = std::chrono::system_clock::now() + 1h;
  BOOST_TEST(logs("s7", later).empty());
  log_request none;
  none.tail_lines = 0;
  BOOST_TEST(logs("s7", none).empty());
  auto first = newest_id("s7");
  run(container("s7", "main", "echo second", 1));
  end_of({"s7", "main", 1});
  auto before = newest_id("s7");
  BOOST_TEST(logs("s7", {}) == "second\n");
  log_request previous;
  previous.container_id = first;
  previous.limit_bytes = 4;
  BOOST_TEST(logs("s7", previous) == "1\n2\n");
  // An instance is found by its id, not by its place: one that is only made changes nothing.
  BOOST_REQUIRE(ask<container_created>(container("s7", "main", "echo third", 2)));
  log_request second;
  second.container_id = before;
  BOOST_TEST(logs("s7", second) == "second\n");
}

BOOST_AUTO_TEST_CASE(following_across_a_rotation) {
  BOOST_REQUIRE(make_pod("s8"));
  auto key = run(container("s8", "main",
                           "echo one; for i in 2 3; do until test -e /dev/shm/$i; do usleep 10000; done; "
                           "echo line $i; done"));
  recorder r;
  log_request request;
  request.follow = true;
  auto s = on_loop([&] { return streams->logs("s8", "main", request, r.events()); });
  BOOST_TEST(r.shows("one\n"));
  BOOST_TEST(!r.end.has_value());
  // A follower that leaves early leaves nothing with the container.
  auto awaiting = [&] {
    size_t count = 0;
    loop.run([&] { count = runtime->awaiting_end(key); });
    return count;
  };
  BOOST_TEST(awaiting() == 1u);
  recorder leaves;
  auto early = on_loop([&] { return streams->logs("s8", "main", request, leaves.events()); });
  BOOST_TEST(awaiting() == 2u);
  loop.run([&] { early->close(); });
  BOOST_TEST(awaiting() == 1u);
  drop(early);
  auto go = [&](const char* name) { std::ofstream{settings.run_root + "/sandboxes/s8/shm/" + name} << "x"; };
  go("2");
  BOOST_TEST(r.shows("line 2\n"));
  auto where = found(key);
  BOOST_TEST(rotate_log(where.log_path, where.directory + "/ctl", 1, 5));
  while (!test::fs::exists(where.log_path))
    ::usleep(1000);
  go("3");
  BOOST_TEST(r.ends());
  BOOST_TEST(r.out == "one\nline 2\nline 3\n");
  BOOST_TEST(test::fs::exists(where.log_path + ".1"));
  drop(s);
}

BOOST_AUTO_TEST_SUITE_END()
