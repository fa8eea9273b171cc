#include "runtime/network/address_pool.hpp"
#include "core/error.hpp"
#include <arpa/inet.h>
#include <charconv>

namespace podium {

std::optional<uint32_t> parse_ipv4(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

std::string ipv4_text(uint32_t address) {
  in_addr raw{.s_addr = htonl(address)};
  char buffer[INET_ADDRSTRLEN];
  return ::inet_ntop(AF_INET, &raw, buffer, sizeof buffer);
}

std::string ipv4_network::text() const {
  return ipv4_text(base) + "/" + std::to_string(prefix_bits);
}

caf::expected<ipv4_network> parse_ipv4_network(std::string_view text) {
  auto fail = [&](std::string_view why) {
    return make_error(errc::invalid, "\"" + std::string{text} + "\" is no IPv4 network: " + std::string{why});
  };
  auto slash = text.find('/');
  if (slash == text.npos) return fail("it should look like 10.61.0.0/16");
  auto base = parse_ipv4(std::string{text.substr(0, slash)});
  unsigned bits = 0;
  auto* end = text.data() + text.size();
  auto parsed = std::from_chars(text.data() + slash + 1, end, bits);
  if (!base || parsed.ec != std::errc{} || parsed.ptr != end) return fail("it should look like 10.61.0.0/16");
  if (bits < 8 || bits > 29) return fail("the prefix must have 8 to 29 bits");
  ipv4_network result{.base = *base, .prefix_bits = bits};
  if ((*base & result.mask()) != *base) return fail("bits behind the prefix are set");
  return result;
}

address_pool::address_pool(ipv4_network network) : network_(network), next_(network.base + 2) {}

caf::expected<uint32_t> address_pool::take() {
  auto size = last() - first() + 1;
  if (taken_.size() >= size)
    return make_error(errc::unavailable,
                      "all " + std::to_string(size) + " pod addresses of " + network_.text() + " are in use");
  while (true) {
    auto address = next_;
    next_ = next_ == last() ? first() : next_ + 1;
    if (taken_.insert(address).second) return address;
  }
}

bool address_pool::reserve(uint32_t address) {
  if (address < first() || address > last() || !taken_.insert(address).second) return false;
  // What was given out last lies behind; the circle goes on from there.
  if (address >= next_) next_ = address == last() ? first() : address + 1;
  return true;
}

} // namespace podium
