#include "tests/api/raw_websocket.hpp"

#include <arpa/inet.h>
#include <condition_variable>
#include <mutex>
#include <sys/socket.h>
#include <unistd.h>

using namespace podium;
using namespace podium::test;

namespace {

/// A watch whose lines are read as they come.
class watch_lines {
public:
  watch_lines(api_world& world, const std::string& path, const std::string& accept = "application/json") {
    http_fetch fetch;
    fetch.url = "http://127.0.0.1:" + std::to_string(world.port) + path;
    fetch.headers = {{"Accept", accept}};
    fetch.timeout = 0ms;
    fetch.on_data = [s = state_](std::string_view data) {
      std::lock_guard guard{s->mutex};
      s->rest += data;
      for (size_t end; (end = s->rest.find('\n')) != std::string::npos; s->rest.erase(0, end + 1))
        s->lines.push_back(s->rest.substr(0, end));
      s->changed.notify_all();
    };
    world.loop.post([&world, fetch, s = state_] {
      world.client->send(fetch, [s](caf::expected<http_reply> r) {
        std::lock_guard guard{s->mutex};
        s->status = r ? r->status : -1;
        s->changed.notify_all();
      });
    });
  }
  /// The next line, parsed; null after ten seconds without one.
  json::value next() {
    std::unique_lock guard{state_->mutex};
    if (!state_->changed.wait_for(guard, 10s, [&] { return state_->lines.size() > read_; })) return nullptr;
    return json::parse(state_->lines[read_++]);
  }
  /// "ADDED name".
  std::string short_next() {
    auto v = next();
    return reply::text_at(v, "/type") + " " + reply::text_at(v, "/object/metadata/name");
  }
  /// The HTTP status once the stream has ended.
  int ended() {
    std::unique_lock guard{state_->mutex};
    state_->changed.wait_for(guard, 10s, [&] { return state_->status != 0; });
    return state_->status;
  }

private:
  struct state {
    std::mutex mutex;
    std::condition_variable changed;
    std::string rest;
    std::vector<std::string> lines;
    int status = 0;
  };
  std::shared_ptr<state> state_ = std::make_shared<state>();
  size_t read_ = 0;
};

struct short_history : api_world {
  short_history() : api_world(nullptr, {}, 4) {}
};

} // namespace

BOOST_AUTO_TEST_SUITE(watch_suite)

BOOST_FIXTURE_TEST_CASE(without_a_version_it_begins_with_what_is_there, api_world) {
  post(pods, pod_text("a"));
  watch_lines all{*this, "/api/v1/pods?watch=True"};
  BOOST_TEST(all.short_next() == "ADDED a");
  post(pods, pod_text("b"));
  BOOST_TEST(all.short_next() == "ADDED b");
  patch(pods + "/a", "merge-patch", R"({"metadata":{"labels":{"x":"y"}}})");
  BOOST_TEST(all.short_next() == "MODIFIED a");
  send("DELETE", pods + "/b");
  BOOST_TEST(all.short_next() == "DELETED b");
}

BOOST_FIXTURE_TEST_CASE(from_a_version_it_goes_on, api_world) {
  auto first = post(pods, pod_text("a"));
  post(pods, pod_text("b"));
  watch_lines rest{*this, pods + "?watch=1&resourceVersion=" + first.at("/metadata/resourceVersion")};
  auto event = rest.next();
  BOOST_TEST(reply::text_at(event, "/object/metadata/name") == "b");
  BOOST_TEST(reply::text_at(event, "/object/kind") == "Pod");
}

BOOST_FIXTURE_TEST_CASE(selectors_see_objects_enter_and_leave, api_world) {
  post(pods, pod_text("a"));
  watch_lines odd{*this, pods + "?watch=true&labelSelector=odd%3Dyes"};
  patch(pods + "/a", "merge-patch", R"({"metadata":{"labels":{"odd":"yes"}}})");
  BOOST_TEST(odd.short_next() == "ADDED a");
  patch(pods + "/a", "merge-patch", R"({"metadata":{"annotations":{"n":"1"}}})");
  BOOST_TEST(odd.short_next() == "MODIFIED a");
  auto left = patch(pods + "/a", "merge-patch", R"({"metadata":{"labels":{"odd":"no"}}})");
  auto event = odd.next();
  BOOST_TEST(reply::text_at(event, "/type") == "DELETED");
  BOOST_TEST(reply::text_at(event, "/object/metadata/labels/odd") == "yes"); // as it last matched
  BOOST_TEST(reply::text_at(event, "/object/metadata/resourceVersion")
             == left.at("/metadata/resourceVersion"));
}

BOOST_FIXTURE_TEST_CASE(tables_name_their_columns_once, api_world) {
  post(pods, pod_text("a"));
  watch_lines table{*this, pods + "?watch=true&fieldSelector=metadata.name%3Da&resourceVersion=0",
                    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"};
  auto first = table.next();
  BOOST_TEST(reply::text_at(first, "/object/kind") == "Table");
  BOOST_TEST(reply::text_at(first, "/object/columnDefinitions/0/name") == "Name");
  BOOST_TEST(reply::text_at(first, "/object/rows/0/cells/0") == "a");
  patch(pods + "/a", "merge-patch", R"({"metadata":{"labels":{"x":"y"}}})");
  auto second = table.next();
  BOOST_TEST(reply::text_at(second, "/object/columnDefinitions") == "[]");
  BOOST_TEST(reply::text_at(second, "/object/rows/0/object/metadata/labels/x") == "y");
}

BOOST_FIXTURE_TEST_CASE(a_position_that_is_lost_is_gone, short_history) {
  auto old = post(pods, pod_text("a")).at("/metadata/resourceVersion");
  for (int i = 0; i < 10; ++i)
    patch(pods + "/a", "merge-patch", R"({"metadata":{"labels":{"i":")" + std::to_string(i) + R"("}}})");
  watch_lines lost{*this, pods + "?watch=true&resourceVersion=" + old};
  auto error = lost.next();
  BOOST_TEST(reply::text_at(error, "/type") == "ERROR");
  BOOST_TEST(reply::text_at(error, "/object/code") == "410");
  BOOST_TEST(reply::text_at(error, "/object/reason") == "Expired");
  BOOST_TEST(lost.ended() == 200);
}

BOOST_FIXTURE_TEST_CASE(it_ends_in_time_with_a_bookmark, api_world) {
  post(pods, pod_text("a"));
  watch_lines list{*this, pods
                              + "?watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
                                "&resourceVersionMatch=NotOlderThan&timeoutSeconds=1"};
  BOOST_TEST(list.short_next() == "ADDED a");
  auto mark = list.next();
  BOOST_TEST(reply::text_at(mark, "/type") == "BOOKMARK");
  BOOST_TEST(reply::text_at(mark, "/object/metadata/annotations/k8s.io~1initial-events-end") == "true");
  auto last = list.next();
  BOOST_TEST(reply::text_at(last, "/type") == "BOOKMARK");
  BOOST_TEST(reply::text_at(last, "/object/kind") == "Pod");
  BOOST_TEST(list.ended() == 200);
  // Who wants no initial events starts at what is now, or at the version that it names.
  std::string none = pods
                     + "?watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
                       "&timeoutSeconds=1";
  auto first = get(pods + "/a").at("/metadata/resourceVersion");
  post(pods, pod_text("b"));
  watch_lines now{*this, none}, any{*this, none + "&resourceVersion=0"},
      since{*this, none + "&resourceVersion=" + first};
  BOOST_TEST(since.short_next() == "ADDED b");
  for (auto* lines : {&now, &any, &since})
    BOOST_TEST(lines->ended() == 200);
}

BOOST_FIXTURE_TEST_CASE(a_reader_that_stops_costs_little_and_is_told, short_history) {
  post(pods, pod_text("a"));
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int small = 4096;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  timeval patience{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  BOOST_REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  auto request = "GET " + pods + "?watch=true HTTP/1.1\r\nHost: x\r\n\r\n";
  BOOST_REQUIRE(::write(fd, request.data(), request.size()) == static_cast<ssize_t>(request.size()));
  // Far more than the socket buffers and the watermark hold.
  constexpr size_t rounds = 120, size = 200'000;
  for (size_t i = 0; i < rounds; ++i) {
    auto note = std::string(size, static_cast<char>('a' + i % 26));
    auto answer =
        patch(pods + "/a", "merge-patch", R"({"metadata":{"annotations":{"n":")" + note + R"("}}})");
    BOOST_REQUIRE(answer.status == 200);
  }
  std::string got;
  char buffer[65536];
  while (got.find("\r\n0\r\n\r\n") == std::string::npos) {
    auto n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) break;
    got.append(buffer, static_cast<size_t>(n));
    if (got.size() > 1'000'000 && got.find("\"ERROR\"") == std::string::npos)
      got.erase(0, got.size() - 100'000);
  }
  ::close(fd);
  BOOST_TEST(got.find(R"("reason":"Expired")") != std::string::npos);
  BOOST_TEST(got.ends_with("0\r\n\r\n"));
}

BOOST_FIXTURE_TEST_CASE(clients_that_leave_are_noticed, api_world) {
  post(pods, pod_text("a"));
  auto count = [this] {
    size_t n = 0;
    loop.run([&] { n = server->stats().watches; });
    return n;
  };
  {
    event_loop other;
    http_client leaving{other};
    std::promise<void> begun;
    other.run([&] {
      http_fetch fetch;
      fetch.url = "http://127.0.0.1:" + std::to_string(port) + pods + "?watch=true";
      fetch.timeout = 0ms;
      fetch.on_data = [&, once = std::make_shared<bool>(false)](std::string_view) {
        if (!std::exchange(*once, true)) begun.set_value();
      };
      leaving.send(std::move(fetch), [](caf::expected<http_reply>) {});
    });
    begun.get_future().wait();
    BOOST_TEST(count() == 1u);
  }
  auto until = std::chrono::steady_clock::now() + 10s;
  while (count() > 0 && std::chrono::steady_clock::now() < until)
    get("/healthz"); // a round trip through the loop
  BOOST_TEST(count() == 0u);
}

BOOST_FIXTURE_TEST_CASE(over_a_websocket_each_event_is_a_text_frame, api_world) {
  post(pods, pod_text("a"));
  for (std::string protocol : {"", "binary.k8s.io"}) {
    raw_websocket watch{port, pods + "?watch=true&timeoutSeconds=60", protocol};
    BOOST_TEST(watch.head.starts_with("HTTP/1.1 101 "), watch.head);
    BOOST_TEST((watch.head.find("Sec-WebSocket-Protocol: binary.k8s.io") != std::string::npos)
               == !protocol.empty());
    auto first = watch.next();
    BOOST_TEST(first.opcode == 1);
    BOOST_TEST(first.data.starts_with(R"({"type":"ADDED","object":{)"), first.data);
    patch(pods + "/a", "merge-patch", R"({"metadata":{"labels":{"x":")" + protocol + "y\"}}}");
    BOOST_TEST(watch.next().data.starts_with(R"({"type":"MODIFIED")"));
  }
  raw_websocket short_one{port, pods + "?watch=true&timeoutSeconds=1", ""};
  BOOST_TEST(short_one.next().opcode == 1);
  BOOST_TEST(short_one.next().opcode == 8); // a goodbye
  BOOST_TEST(
      raw_websocket(port, pods + "?watch=true", "v4.channel.k8s.io").head.starts_with("HTTP/1.1 400 "));
  auto until = std::chrono::steady_clock::now() + 10s;
  auto count = [this] {
    size_t n = 0;
    loop.run([&] { n = server->stats().watches; });
    return n;
  };
  while (count() > 0 && std::chrono::steady_clock::now() < until)
    get("/healthz");
  BOOST_TEST(count() == 0u);
}

BOOST_AUTO_TEST_CASE(watches_are_counted) {
  api::server_settings settings;
  settings.max_watches = 1;
  api_world world{nullptr, settings};
  world.post(world.pods, api_world::pod_text("a"));
  watch_lines one{world, world.pods + "?watch=true"};
  BOOST_TEST(one.short_next() == "ADDED a");
  auto two = world.get(world.pods + "?watch=true");
  BOOST_TEST(two.status == 429);
  BOOST_TEST(two.headers.get("Retry-After") == "1");
}

BOOST_AUTO_TEST_SUITE_END()
