// One forwarded connection between a client and a port that live in this test; ports as requests name them;
// and what a request is told that cannot be served.
#include "api/forwarded_port.hpp"
#include "tests/api/api_world.hpp"

using namespace podium;
using namespace podium::test;

namespace {

/// Notes what it is told, in words.
struct noted_client : api::forward_client {
  std::vector<std::string>& notes;
  bool room = true;
  explicit noted_client(std::vector<std::string>& n) : notes(n) {}
  bool send(std::string_view bytes) override {
    notes.push_back("client gets " + std::string{bytes});
    return bytes != "much";
  }
  void finish(std::string_view error) override { notes.push_back("client ends " + std::string{error}); }
  void pause() override { notes.emplace_back("client waits"); }
  void resume() override { notes.emplace_back("client goes on"); }
};

struct noted_ports : api::pod_ports {
  std::vector<std::string>& notes;
  api::port_events events;
  explicit noted_ports(std::vector<std::string>& n) : notes(n) {}

  struct connection : api::port_connection {
    std::vector<std::string>& notes;
    explicit connection(std::vector<std::string>& n) : notes(n) {}
    ~connection() override { notes.emplace_back("port closed"); }
    bool write(std::string_view bytes) override {
      notes.push_back("port gets " + std::string{bytes});
      return bytes != "much";
    }
    void finish_writing() override { notes.emplace_back("port ends"); }
    void pause() override { notes.emplace_back("port waits"); }
    void resume() override { notes.emplace_back("port goes on"); }
  };
  std::unique_ptr<api::port_connection> connect(const std::string& uid, uint16_t port,
                                                api::port_events e) override {
    notes.push_back("connect " + uid + ":" + std::to_string(port));
    events = std::move(e);
    return std::make_unique<connection>(notes);
  }
  std::shared_ptr<void> on_pod_end(const std::string&, std::function<void()>) override { return {}; }
};

struct forward_fixture {
  std::vector<std::string> notes;
  noted_ports ports{notes};
  std::shared_ptr<api::forwarded_port> forwarded;

  void start(bool half_close) {
    forwarded = std::make_shared<api::forwarded_port>(api::forward_target{"uid", 80},
                                                      std::make_unique<noted_client>(notes), half_close,
                                                      [this] { notes.emplace_back("over"); });
    forwarded->start(ports);
    expect({"client waits", "connect uid:80"});
  }
  void open() {
    ports.events.on_open({});
    expect({"client goes on"});
  }
  void expect(std::vector<std::string> wanted) {
    BOOST_TEST(notes == wanted, boost::test_tools::per_element());
    notes.clear();
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(port_forward_suite)

BOOST_FIXTURE_TEST_CASE(bytes_and_pauses_go_both_ways, forward_fixture) {
  start(true);
  open();
  forwarded->write("little");
  forwarded->write("much");
  expect({"port gets little", "port gets much", "client waits"});
  ports.events.on_drain();
  expect({"client goes on"});
  ports.events.on_data("little");
  ports.events.on_data("much");
  expect({"client gets little", "client gets much", "port waits"});
  forwarded->room(true);
  expect({"port goes on"});
  forwarded->room(false);
  expect({"port waits"});
}

BOOST_FIXTURE_TEST_CASE(each_half_ends_by_itself, forward_fixture) {
  start(true);
  open();
  forwarded->finish_writing();
  expect({"port ends"});
  ports.events.on_data("the answer");
  ports.events.on_end();
  expect({"client gets the answer", "client ends ", "over"});
}

BOOST_FIXTURE_TEST_CASE(the_ports_end_lets_the_client_finish, forward_fixture) {
  start(true);
  open();
  ports.events.on_end();
  expect({"client ends "});
  forwarded->write("still");
  forwarded->finish_writing();
  forwarded->finish_writing();
  expect({"port gets still", "port ends", "over"});
}

BOOST_FIXTURE_TEST_CASE(channels_have_no_halves, forward_fixture) {
  start(false);
  open();
  ports.events.on_end();
  expect({"client ends ", "over"});
  forwarded->write("too late");
  expect({});
}

BOOST_FIXTURE_TEST_CASE(a_refused_port_says_why, forward_fixture) {
  start(true);
  ports.events.on_open(make_error(errc::unavailable, "connection refused"));
  expect({"client ends error forwarding port 80 to pod uid, uid : connection refused", "client goes on",
          "over"});
  forwarded->write("dropped");
  forwarded->finish_writing();
  expect({});
}

BOOST_FIXTURE_TEST_CASE(a_reset_ends_both_halves, forward_fixture) {
  start(true);
  open();
  forwarded->abort();
  expect({"over"});
  forwarded.reset();
  expect({"port closed"});
  ports.events.on_data("nobody is there");
  expect({});
}

BOOST_AUTO_TEST_CASE(ports_as_they_are_written) {
  BOOST_TEST(api::parse_port("1").port == 1);
  BOOST_TEST(api::parse_port("65535").port == 65535);
  struct row {
    std::string text, error;
  };
  for (
      auto& r : std::vector<row>{
          {"", R"(unable to parse "" as a port: strconv.ParseUint: parsing "": invalid syntax)"},
          {"http", R"(unable to parse "http" as a port: strconv.ParseUint: parsing "http": invalid syntax)"},
          {"-1", R"(unable to parse "-1" as a port: strconv.ParseUint: parsing "-1": invalid syntax)"},
          {"65536",
           R"(unable to parse "65536" as a port: strconv.ParseUint: parsing "65536": value out of range)"},
          {"99999999999999999999999",
           R"(unable to parse "99999999999999999999999" as a port: strconv.ParseUint: parsing "99999999999999999999999": value out of range)"},
          {"0", R"(port "0" must be > 0)"}})
    BOOST_TEST(api::parse_port(r.text).error == r.error);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_forwarded) {
  api_world world;
  BOOST_TEST(world.send("POST", world.pods + "/nobody/portforward").status == 404);
  world.post(world.pods, api_world::pod_text("unbound"));
  BOOST_TEST(world.get(world.pods + "/unbound/portforward").at("/message")
             == "pod unbound does not have a host assigned");
  world.make_running_pod("p");
  BOOST_TEST(world.get(world.pods + "/p/portforward").status == 503); // no containers run here
}

BOOST_AUTO_TEST_SUITE_END()
