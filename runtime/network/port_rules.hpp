// The pod network's one nftables table: masquerading, host ports as elements of maps, and the guard for
// loopback.
#pragma once
#include "runtime/network/address_pool.hpp"
#include <caf/error.hpp>
#include <memory>
#include <string>
#include <vector>

struct nft_ctx;

namespace podium {

/// One host port of one pod.
struct host_port_rule {
  std::string protocol; ///< "tcp", "udp" or "sctp"
  uint32_t host_ip = 0; ///< 0: every address of the host
  uint16_t host_port = 0;
  uint32_t pod_ip = 0;
  uint16_t pod_port = 0;

  /// Two rules that may not stand beside each other.
  bool collides(const host_port_rule& other) const {
    return protocol == other.protocol && host_port == other.host_port
           && (host_ip == other.host_ip || host_ip == 0 || other.host_ip == 0);
  }
  bool operator==(const host_port_rule&) const = default;
};

/// The table's whole text with `ports` in it; it replaces the table of an earlier process in one transaction.
/// Pure.
std::string port_table_text(const std::string& bridge, const ipv4_network& network,
                            const std::vector<host_port_rule>& ports);

/// Acts on the network namespace of the thread that opens it. Blocks.
class port_rules {
public:
  explicit port_rules(std::string bridge) : bridge_(std::move(bridge)) {}
  ~port_rules();
  port_rules(const port_rules&) = delete;
  port_rules& operator=(const port_rules&) = delete;

  /// Puts the table in place.
  caf::error install(const ipv4_network& network, const std::vector<host_port_rule>& ports);
  caf::error add(const std::vector<host_port_rule>& ports);
  /// Removes elements; those that are not there are done.
  caf::error remove(const std::vector<host_port_rule>& ports);
  /// Removes the table.
  caf::error uninstall();

private:
  caf::error run(const std::string& what, const std::string& commands);
  caf::error change(const char* verb, const std::vector<host_port_rule>& ports);

  std::string bridge_;
  nft_ctx* context_ = nullptr;
};

} // namespace podium
