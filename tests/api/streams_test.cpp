// Logs, exec and attach between real kubectl and streams that live in this process.
#include "tests/api/kubectl.hpp"
#include "tests/api/raw_websocket.hpp"

using namespace podium;
using namespace podium::test;

namespace {

/// A "container" that says its options, and a "command" that gives back what it is given.
class echo_streams : public api::pod_streams {
public:
  explicit echo_streams(event_loop*& loop) : loop_(loop) {}

  struct log : api::log_reading {
    void pause() override {}
    void resume() override {}
  };
  std::unique_ptr<api::log_reading> open_log(const api::container_target& target, const api::log_options& o,
                                             api::log_events events) override {
    auto text = target.container + " of " + target.pod_name + (o.previous ? " previous" : "")
                + (o.timestamps ? " timestamps" : "") + " tail=" + std::to_string(o.tail_lines.value_or(-1))
                + " limit=" + std::to_string(o.limit_bytes.value_or(-1)) + (o.since ? " since" : "") + "\n";
    auto out = std::make_unique<log>();
    loop_->post([text, events, follow = o.follow] {
      events.on_open({});
      events.on_data(text);
      if (follow) events.on_data("more\n");
      events.on_end();
    });
    return out;
  }

  struct session : api::pod_session {
    event_loop& loop;
    std::shared_ptr<api::session_events> events;
    std::string first;
    session(event_loop& l, api::session_events e, std::string f)
        : loop(l), events(std::make_shared<api::session_events>(std::move(e))), first(std::move(f)) {}
    void say(std::function<void(api::session_events&)> f) {
      loop.post([weak = std::weak_ptr{events}, f] {
        if (auto e = weak.lock()) f(*e);
      });
    }
    bool write_stdin(std::string_view bytes) override {
      say([data = std::string{bytes}](auto& e) { e.on_output(1, data); });
      say([](auto& e) { e.on_drain(); });
      return false; // so that every frame waits for its drain
    }
    void close_stdin() override { end(0); }
    void end(int code) {
      say([code](auto& e) { e.on_end({code, {}}); });
    }
    void resize(uint16_t, uint16_t) override {}
    void pause_output() override {}
    void resume_output() override {}
  };
  std::unique_ptr<api::pod_session> exec(const api::container_target&, const api::exec_options& o,
                                         api::session_events events) override {
    auto s = std::make_unique<session>(*loop_, std::move(events), "");
    if (o.command.front() == "exit") {
      s->say([](auto& e) { e.on_output(2, "it fails\n"); });
      s->end(std::stoi(o.command.at(1)));
    } else if (o.command.front() == "none") {
      s->say([](auto& e) {
        e.on_end({0, make_error(errc::container_start, "exec: \"none\": not found in $PATH")});
      });
    } else if (o.command.front() == "big") {
      s->say([](auto& e) {
        for (int i = 0; i < 48; ++i)
          e.on_output(1, std::string(65536, static_cast<char>('a' + i % 26)));
        e.on_end({0, {}});
      });
    }
    return s;
  }
  std::unique_ptr<api::pod_session> attach(const api::container_target& t, const api::exec_options&,
                                           api::session_events events) override {
    auto s = std::make_unique<session>(*loop_, std::move(events), "");
    s->say([name = t.container](auto& e) { e.on_output(1, "attached to " + name + "\n"); });
    s->end(0);
    return s;
  }

private:
  event_loop*& loop_;
};

struct loop_slot {
  event_loop* the_loop = nullptr;
};

struct streams_world : loop_slot, kubectl_world {
  streams_world() : kubectl_world(std::make_shared<echo_streams>(the_loop)) {
    the_loop = &loop;
    make_running_pod("p");
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(streams_suite)

BOOST_FIXTURE_TEST_CASE(logs_with_every_option, streams_world) {
  BOOST_TEST(ok("logs p") == "c of p tail=-1 limit=-1\n");
  BOOST_TEST(ok("logs p -f --tail=5 --timestamps --limit-bytes=100 --since=10s")
             == "c of p timestamps tail=5 limit=100 since\nmore\n");
  BOOST_TEST(
      kubectl("logs p --previous").text
      == "Error from server (BadRequest): previous terminated container \"c\" in pod \"p\" not found\n");
  post(pods, pod_text("unbound"));
  BOOST_TEST(ok("logs unbound") == "");
  BOOST_TEST(get(pods + "/p/log?container=x").at("/message") == "container x is not valid for pod p");
  BOOST_TEST(get(pods + "/p/log?tailLines=-1").status == 422);
  BOOST_TEST(get(pods + "/p/log?sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z").status == 422);
  patch(
      pods + "/p/status", "merge-patch",
      R"({"status":{"containerStatuses":[{"name":"c","state":{"waiting":{"reason":"ContainerCreating"}}}]}})");
  BOOST_TEST(get(pods + "/p/log").at("/message")
             == "container \"c\" in pod \"p\" is waiting to start: ContainerCreating");
}

BOOST_FIXTURE_TEST_CASE(logs_over_a_websocket, streams_world) {
  auto text = "c of p tail=-1 limit=-1\n";
  for (auto& [protocol, opcode, shown] : {std::tuple{"", 2, text},
                                          {"binary.k8s.io", 2, text},
                                          {"base64.binary.k8s.io", 1, "YyBvZiBwIHRhaWw9LTEgbGltaXQ9LTEK"}}) {
    raw_websocket log{port, pods + "/p/log?container=c", protocol};
    BOOST_TEST(log.head.starts_with("HTTP/1.1 101 "), log.head);
    auto first = log.next();
    BOOST_TEST(first.opcode == opcode);
    BOOST_TEST(first.data == "");
    auto all = log.next();
    BOOST_TEST(all.opcode == opcode);
    BOOST_TEST(all.data == shown);
    BOOST_TEST(log.next().opcode == 8);
  }
  BOOST_TEST(raw_websocket(port, pods + "/p/log", "channel.k8s.io").head.starts_with("HTTP/1.1 400 "));
  // What is wrong with the request is said before there is a WebSocket.
  BOOST_TEST(raw_websocket(port, pods + "/p/log?tailLines=-1", "").head.starts_with("HTTP/1.1 422 "));
  auto open = [this] {
    size_t n = 0;
    loop.run([&] { n = server->stats().log_streams; });
    return n;
  };
  auto until = std::chrono::steady_clock::now() + 10s;
  while (open() > 0 && std::chrono::steady_clock::now() < until)
    get("/healthz");
  BOOST_TEST(open() == 0u);
}

BOOST_FIXTURE_TEST_CASE(commands_and_their_ends, streams_world) {
  auto failed = kubectl("exec p -- exit 3");
  BOOST_TEST(failed.code == 3);
  BOOST_TEST(failed.text == "it fails\ncommand terminated with exit code 3\n");
  BOOST_TEST(ok("exec p -- exit 0") == "it fails\n");
  auto none = kubectl("exec p -- none");
  BOOST_TEST(none.code == 1);
  BOOST_TEST(none.text.find("not found in $PATH") != std::string::npos);
  auto wrong = kubectl("exec p -c nope -- exit 0");
  BOOST_TEST(wrong.text == "Error from server (BadRequest): container nope is not valid for pod p\n");
  BOOST_TEST(ok("exec p -- big").size() == 48u * 65536u);
  BOOST_TEST(ok("attach p").find("attached to c\n") != std::string::npos);
  // The node's refusal, in the words of a kubelet.
  patch(
      pods + "/p/status", "merge-patch",
      R"({"status":{"containerStatuses":[{"name":"c","state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})");
  BOOST_TEST(kubectl("exec p -- exit 0").text
             == "error: unable to upgrade connection: container not found (\"c\")\n");
}

BOOST_FIXTURE_TEST_CASE(a_megabyte_there_and_back, streams_world) {
  std::string data;
  for (int i = 0; i < 130'000; ++i)
    data += std::to_string(i) + "\n";
  auto back = ok("exec -i p -- cat", data);
  BOOST_TEST((back == data));
}

BOOST_FIXTURE_TEST_CASE(refusals_are_the_same_for_both_transports, streams_world) {
  for (auto method : {"GET", "POST"}) {
    auto wrong = send(method, pods + "/p/exec?command=x&stdout=1&container=nope");
    BOOST_TEST(wrong.status == 400);
    BOOST_TEST(wrong.at("/message") == "container nope is not valid for pod p");
    BOOST_TEST(send(method, pods + "/p/exec?stdout=1").at("/message")
               == "you must specify a command to exec");
    BOOST_TEST(send(method, pods + "/nope/exec?command=x&stdout=1").at("/reason") == "NotFound");
    auto plain = send(method, pods + "/p/exec?command=x&stdout=1");
    BOOST_TEST(plain.at("/message") == "Upgrade request required");
  }
}

BOOST_AUTO_TEST_SUITE_END()
