// The network tests' host: this whole program moves into namespaces of its own before anything else, so that
// the machine's network and mounts are never touched and nothing outlives the program.
#pragma once
#include "runtime/network/network_worker.hpp"
#include "runtime/process/unique_fd.hpp"
#include <arpa/inet.h>
#include <filesystem>
#include <functional>
#include <string>
#include <sys/socket.h>

namespace podium::test {

namespace fs = std::filesystem;

/// Runs `f` on a thread inside a pod's network namespace.
void in_pod(const fs::path& netns, const std::function<void()>& f);

/// A TCP or UDP service on a port of one namespace: answers each client with the address it sees it under.
class whoami {
public:
  /// `netns` empty: the host.
  whoami(const fs::path& netns, uint16_t port, bool udp = false);
  ~whoami();
  whoami(const whoami&) = delete;
  whoami& operator=(const whoami&) = delete;

private:
  void serve_tcp();
  void serve_udp();
  unique_fd socket_;
  unique_fd stop_;
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// Asks a whoami from a namespace ("" is the host): the address, or "error: …".
std::string ask(const fs::path& netns, const std::string& ip, uint16_t port, bool udp = false);

/// Links in this namespace that are a bridge's ports or bridges (that is: all but lo).
size_t count_links();
/// Mounts of network namespaces below `dir`.
size_t count_pins(const fs::path& dir);
/// Elements in the table's maps.
size_t count_elements(const std::string& bridge);

} // namespace podium::test
