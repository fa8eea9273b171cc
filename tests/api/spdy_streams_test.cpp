// exec and port-forward by SPDY, frame by frame: what the clients before WebSockets rely on.
#include "tests/api/api_world.hpp"
#include "tests/runtime/http/spdy_client.hpp"

using namespace podium;
using namespace podium::test;

namespace {

/// A command that writes on both streams and ends with the code it is told.
class saying_streams : public api::pod_streams {
public:
  struct session : api::pod_session {
    api::session_events events;
    explicit session(api::session_events e) : events(std::move(e)) {}
    bool write_stdin(std::string_view bytes) override {
      events.on_output(1, bytes);
      return true;
    }
    void close_stdin() override {
      if (!paused) events.on_output(2, "bye");
      events.on_end({code, {}});
    }
    void resize(uint16_t width, uint16_t height) override {
      events.on_output(1, std::to_string(width) + "x" + std::to_string(height) + ";");
    }
    void pause_output() override { paused = true; }
    void resume_output() override { paused = false; }
    int code = 0;
    bool paused = false;
  };
  std::unique_ptr<api::log_reading> open_log(const api::container_target&, const api::log_options&,
                                             api::log_events) override {
    return nullptr;
  }
  std::unique_ptr<api::pod_session> exec(const api::container_target&, const api::exec_options& o,
                                         api::session_events events) override {
    auto out = std::make_unique<session>(std::move(events));
    out->code = std::stoi(o.command.front());
    return out;
  }
  std::unique_ptr<api::pod_session> attach(const api::container_target&, const api::exec_options&,
                                           api::session_events) override {
    return nullptr;
  }
};

/// Port 80 gives back what it is told and ends with its client; no other one is open.
class echo_ports : public api::pod_ports {
public:
  explicit echo_ports(event_loop*& loop) : loop_(loop) {}
  struct connection : api::port_connection {
    std::shared_ptr<api::port_events> events;
    bool write(std::string_view bytes) override {
      events->on_data(bytes);
      return true;
    }
    void finish_writing() override { events->on_end(); }
    void pause() override {}
    void resume() override {}
  };
  std::unique_ptr<api::port_connection> connect(const std::string&, uint16_t port,
                                                api::port_events e) override {
    auto out = std::make_unique<connection>();
    out->events = std::make_shared<api::port_events>(std::move(e));
    loop_->post([weak = std::weak_ptr{out->events}, port] {
      if (auto events = weak.lock())
        events->on_open(port == 80 ? caf::error{} : make_error(errc::unavailable, "connection refused"));
    });
    return out;
  }
  std::shared_ptr<void> on_pod_end(const std::string&, std::function<void()> f) override {
    end = std::move(f);
    return {};
  }
  std::function<void()> end; ///< loop thread

private:
  event_loop*& loop_;
};

struct loop_slot {
  event_loop* the_loop = nullptr;
  std::shared_ptr<echo_ports> ports = std::make_shared<echo_ports>(the_loop);
};

struct spdy_world : loop_slot, api_world {
  spdy_world() : api_world(std::make_shared<saying_streams>(), {}, 10'000, {}, ports) {
    the_loop = &loop;
    make_running_pod("p");
  }
  static std::string offer(const std::string& protocols) {
    return "X-Stream-Protocol-Version: " + protocols + "\r\n";
  }
  spdy_client forward() { return spdy_client{port, 0, pods + "/p/portforward", offer("portforward.k8s.io")}; }
  static spdy_headers stream(const std::string& type, const std::string& number, const std::string& id) {
    spdy_headers out{{"streamtype", type}, {"port", number}};
    if (!id.empty()) out.emplace_back("requestid", id);
    return out;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(spdy_streams_suite)

BOOST_FIXTURE_TEST_CASE(a_command_with_every_protocol, spdy_world) {
  struct row {
    std::string protocol, code, error;
  };
  for (
      auto& r : std::vector<row>{
          {"v4.channel.k8s.io", "0", R"({"metadata":{},"status":"Success"})"},
          {"v4.channel.k8s.io", "3",
           R"({"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status 3",)"
           R"("reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}})"},
          {"v3.channel.k8s.io", "0", ""},
          {"v2.channel.k8s.io", "3", "command terminated with non-zero exit code: exit status 3"},
          {"channel.k8s.io", "1", "command terminated with non-zero exit code: exit status 1"}}) {
    spdy_client peer{port, 0, pods + "/p/exec?command=" + r.code + "&stdin=true&stdout=true&stderr=true",
                     offer("v9.channel.k8s.io, " + r.protocol) + offer("v1.nothing")};
    for (auto& [id, type] : std::vector<std::pair<uint32_t, std::string>>{
             {1, "error"}, {3, "stdin"}, {5, "stdout"}, {7, "resize"}, {9, "stdout"}, {11, "stderr"}})
      peer.open(id, type);
    peer.say(3, "words", true);
    BOOST_TEST(peer.until("fin 1"), r.protocol);
    BOOST_TEST(peer.data[5] == "words");
    BOOST_TEST(peer.data[11] == "bye");
    BOOST_TEST(peer.data[1] == r.error);
    BOOST_TEST(peer.has("fin 5"));
    BOOST_TEST(peer.has("fin 11"));
    BOOST_TEST(peer.has("reset 7 3"));    // there is no terminal
    BOOST_TEST(peer.has("reset 9 3"));    // stdout is there already
    BOOST_TEST(!peer.has("goaway 11 0")); // the client says goodbye
  }
}

// A command must not wait for ever for the reader of a stream that has gone.
BOOST_FIXTURE_TEST_CASE(output_that_the_client_has_reset_is_dropped, spdy_world) {
  spdy_client peer{port, 0, pods + "/p/exec?command=0&stdin=true&stdout=true&stderr=true",
                   offer("v4.channel.k8s.io")};
  for (auto& [id, type] : std::vector<std::pair<uint32_t, std::string>>{
           {1, "error"}, {3, "stdin"}, {5, "stdout"}, {7, "stderr"}})
    peer.open(id, type);
  peer.raw.send(spdy_encoder::rst_stream(5, spdy_status::cancel));
  peer.say(3, "words", true);
  BOOST_TEST(peer.until("fin 1"));
  BOOST_TEST(peer.data[7] == "bye");
}

BOOST_FIXTURE_TEST_CASE(sizes_of_a_terminal_however_they_come, spdy_world) {
  spdy_client peer{port, 0, pods + "/p/exec?command=0&stdin=true&stdout=true&tty=true",
                   offer("v4.channel.k8s.io")};
  for (auto& [id, type] : std::vector<std::pair<uint32_t, std::string>>{
           {1, "error"}, {3, "stdin"}, {5, "stdout"}, {7, "resize"}})
    peer.open(id, type);
  for (auto part :
       {"{\"Width\":80,\"Hei", "ght\":24}\n{\"Width\":0,\"Height\":0}\n{\"Width\":81,\"Height\":25}"})
    peer.say(7, part);
  BOOST_TEST(peer.until_data(5, 12));
  BOOST_TEST(peer.data[5] == "80x24;81x25;");
}

BOOST_FIXTURE_TEST_CASE(protocols_that_nobody_speaks, spdy_world) {
  auto ask = [&](const std::string& headers) {
    raw_client raw{port};
    raw.send("POST " + pods
             + "/p/exec?command=0&stdout=true HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\n"
               "Upgrade: SPDY/3.1\r\n"
             + headers + "Content-Length: 0\r\n\r\n");
    auto head = raw.take("\r\n\r\n");
    auto length = head.find("Content-Length: ");
    return head + (length == head.npos ? "" : raw.take(std::stoul(head.substr(length + 16))));
  };
  auto none = ask("");
  BOOST_TEST(none.starts_with("HTTP/1.1 400 "), none);
  BOOST_TEST(none.ends_with("unable to upgrade: X-Stream-Protocol-Version is required\n"), none);
  auto other = ask(offer("v9.channel.k8s.io") + offer("v8.channel.k8s.io"));
  BOOST_TEST(other.starts_with("HTTP/1.1 403 "), other);
  BOOST_TEST(other.find("X-Accepted-Stream-Protocol-Versions: v4.channel.k8s.io\r\n") != other.npos);
  BOOST_TEST(
      other.ends_with("unable to upgrade: unable to negotiate protocol: client supports [v9.channel.k8s.io "
                      "v8.channel.k8s.io], server accepts [v4.channel.k8s.io v3.channel.k8s.io "
                      "v2.channel.k8s.io channel.k8s.io]\n"),
      other);
}

BOOST_FIXTURE_TEST_CASE(connections_are_pairs_of_streams, spdy_world) {
  auto peer = forward();
  peer.open_with(1, stream("error", "80", "0"), true);
  peer.open_with(3, stream("data", "80", "0"));
  peer.open_with(5, stream("error", "80", ""), true); // no id: the next stream is its data
  peer.open_with(7, stream("data", "80", ""));
  peer.say(3, "first");
  peer.say(7, "second", true);
  BOOST_TEST(peer.until("fin 5"));
  BOOST_TEST(peer.data[7] == "second");
  BOOST_TEST(peer.has("fin 7"));
  BOOST_TEST(peer.until_data(3, 5));
  peer.say(3, {}, true);
  BOOST_TEST(peer.until("fin 1"));
  BOOST_TEST((peer.data[1] + peer.data[5]) == "");
}

BOOST_FIXTURE_TEST_CASE(connections_that_come_to_nothing, spdy_world) {
  auto peer = forward();
  peer.open_with(1, stream("error", "81", "a"), true);
  peer.open_with(3, stream("data", "81", "a"));
  BOOST_TEST(peer.until("fin 1"));
  BOOST_TEST(peer.has("fin 3"));
  BOOST_TEST(peer.data[1].ends_with(", uid : connection refused"));
  BOOST_TEST(peer.data[1].starts_with("error forwarding port 81 to pod "));
  // Streams that mean nothing are refused, and the others go on.
  peer.open_with(5, stream("data", "0", "b"));
  peer.open_with(7, stream("data", "x", "b"));
  peer.open_with(9, stream("news", "80", "b"));
  peer.open_with(11, stream("error", "80", std::string(65, 'c')));
  peer.open_with(13, stream("data", "80", "d"));
  peer.open_with(15, stream("data", "80", "d"));
  for (auto word : {"reset 5 3", "reset 7 3", "reset 9 3", "reset 11 3", "reset 15 3"})
    BOOST_TEST(peer.until(word), word);
  peer.open_with(17, stream("error", "80", "d"), true);
  peer.say(13, "echo", true);
  BOOST_TEST(peer.until("fin 17"));
  BOOST_TEST(peer.data[13] == "echo");
}

BOOST_FIXTURE_TEST_CASE(the_pods_end_is_the_end_of_all, spdy_world) {
  auto peer = forward();
  peer.open_with(1, stream("error", "80", "0"), true);
  peer.open_with(3, stream("data", "80", "0"));
  BOOST_TEST(peer.until("reply 3"));
  loop.run([&] { ports->end(); });
  BOOST_TEST(peer.until("goaway 3 0"));
}

BOOST_AUTO_TEST_SUITE_END()
