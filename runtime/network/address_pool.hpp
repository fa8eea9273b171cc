// IPv4 networks and the addresses of pods in one.
#pragma once
#include <caf/expected.hpp>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace podium {

/// An IPv4 network; host byte order.
struct ipv4_network {
  uint32_t base = 0;
  unsigned prefix_bits = 0;

  uint32_t mask() const { return prefix_bits == 0 ? 0 : ~uint32_t{0} << (32 - prefix_bits); }
  bool contains(uint32_t address) const { return (address & mask()) == base; }
  bool contains(const ipv4_network& other) const {
    return other.prefix_bits >= prefix_bits && contains(other.base);
  }
  uint32_t last() const { return base | ~mask(); }
  std::string text() const;
};

/// "10.61.0.0/16"; the bits behind the prefix must be 0. Error errc::invalid.
caf::expected<ipv4_network> parse_ipv4_network(std::string_view text);
std::optional<uint32_t> parse_ipv4(const std::string& text);
std::string ipv4_text(uint32_t address);

/// Hands out addresses in a circle, so that one that came back is used last: what others remember of the pod
/// that had it (ARP, connection tracking, clients) has time to go.
class address_pool {
public:
  /// The first address is the gateway's; network and broadcast address are nobody's.
  explicit address_pool(ipv4_network network);

  uint32_t gateway() const { return network_.base + 1; }
  const ipv4_network& network() const { return network_; }
  /// Error errc::unavailable when none is free.
  caf::expected<uint32_t> take();
  /// Marks an address as taken (adoption); false when it is not in the network or taken already.
  bool reserve(uint32_t address);
  void give_back(uint32_t address) { taken_.erase(address); }
  size_t taken() const { return taken_.size(); }

private:
  uint32_t first() const { return network_.base + 2; }
  uint32_t last() const { return network_.last() - 1; }

  ipv4_network network_;
  uint32_t next_;
  std::set<uint32_t> taken_;
};

} // namespace podium
