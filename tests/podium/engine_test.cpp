// The library's face: what starts, what refuses to, and that a start which fails half-way leaves nothing.
#include "core/error.hpp"
#include "podium/engine.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <stdlib.h>

using namespace podium;

namespace {

struct directory {
  std::filesystem::path path;
  directory() {
    char name[] = "/tmp/podium-engine-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~directory() {
    std::error_code ec;
    std::filesystem::remove_all(path, ec);
  }
  config::settings settings() const {
    config::settings s;
    s.data_dir = (path / "data").string();
    s.run_dir = (path / "run").string();
    s.network.bridge = "pdeng0";
    s.network.pod_cidr = "10.113.0.0/24";
    s.api.listen = "127.0.0.1:0";
    s.node_name = "engine-test";
    return s;
  }
};

std::string why(const caf::expected<std::unique_ptr<engine>>& result) {
  return result ? "" : message_of(result.error());
}

} // namespace

BOOST_AUTO_TEST_SUITE(engine_suite)

BOOST_AUTO_TEST_CASE(bad_addresses_are_refused_and_leave_nothing_running) {
  directory dir;
  for (auto* listen : {"nonsense", "127.0.0.1:99999", ":1", "127.0.0.1:x", "300.1.1.1:1"}) {
    auto s = dir.settings();
    s.api.listen = listen;
    auto started = engine::start(s);
    BOOST_TEST(!started, listen);
    BOOST_TEST(!why(started).empty(), listen);
  }
}

BOOST_AUTO_TEST_CASE(one_engine_a_directory) {
  directory dir;
  auto first = engine::start(dir.settings());
  BOOST_TEST(why(first) == "");
  BOOST_REQUIRE(bool(first));
  auto second = engine::start(dir.settings());
  BOOST_TEST(why(second).find("another podium runs") != std::string::npos, why(second));
  BOOST_TEST(bool((*first)->view().snapshot("nodes")->find("", "engine-test")));
  BOOST_TEST((*first)->remove_all_pods(std::chrono::seconds{10}));
}

BOOST_AUTO_TEST_SUITE_END()
