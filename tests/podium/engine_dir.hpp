// A directory of its own for an engine of a test.
#pragma once
#include "config/settings.hpp"

#include <filesystem>
#include <stdlib.h>

namespace podium::test {

struct engine_dir {
  std::filesystem::path path;
  engine_dir() {
    char name[] = "/tmp/podium-engine-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~engine_dir() {
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

} // namespace podium::test
