#include "runtime/network/network_worker.hpp"
#include "core/error.hpp"
#include "runtime/network/namespaces.hpp"
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>

namespace podium {

namespace fs = std::filesystem;

namespace {

uint64_t hash_of(const std::string& text) { // FNV-1a
  uint64_t h = 14695981039346656037ull;
  for (unsigned char c : text)
    h = (h ^ c) * 1099511628211ull;
  return h;
}

// The uid becomes a file name.
bool usable_uid(const std::string& uid) {
  auto ok = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'
           || c == '.';
  };
  return !uid.empty() && uid.size() <= 200 && uid[0] != '.' && std::all_of(uid.begin(), uid.end(), ok);
}

netlink_message new_link(std::string what, uint16_t flags, const ifinfomsg& header) {
  netlink_message m{std::move(what), RTM_NEWLINK, static_cast<uint16_t>(NLM_F_ACK | flags)};
  m.header(header);
  return m;
}

// No link-local IPv6 addresses: nothing routes them here, and their duplicate detection fails on hairpin
// ports. Before the link is started; a kernel without IPv6 has nothing to switch off.
caf::error without_ipv6(netlink_socket& socket, int index) {
  ifinfomsg header{};
  header.ifi_index = index;
  auto m = new_link("switch off IPv6 on a link", 0, header);
  m.begin(IFLA_AF_SPEC).begin(AF_INET6).number8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE).end().end();
  return socket.run(std::move(m), EAFNOSUPPORT);
}

netlink_message new_address(const std::string& what, int link, uint32_t address,
                            const ipv4_network& network) {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = static_cast<uint8_t>(network.prefix_bits);
  header.ifa_index = static_cast<unsigned>(link);
  netlink_message m{what, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE};
  auto raw = htonl(address);
  auto broadcast = htonl(network.last());
  m.header(header).number32(IFA_LOCAL, raw).number32(IFA_ADDRESS, raw).number32(IFA_BROADCAST, broadcast);
  return m;
}

ifinfomsg link_up(int index) {
  ifinfomsg header{};
  header.ifi_index = index;
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  return header;
}

caf::error write_sysctl(const std::string& name, std::string_view value) {
  auto path = "/proc/sys/net/ipv4/" + name;
  unique_fd fd{::open(path.c_str(), O_RDWR | O_CLOEXEC)};
  char now[16] = {};
  if (fd && ::read(fd.get(), now, sizeof now - 1) > 0 && std::string_view{now}.starts_with(value)) return {};
  if (!fd || ::pwrite(fd.get(), value.data(), value.size(), 0) < 0)
    return errno_error("cannot write " + path, errno);
  return {};
}

} // namespace

std::string host_interface_name(const std::string& pod_uid) {
  auto h = hash_of(pod_uid);
  std::string result = "veth";
  for (int i = 0; i < 11; ++i, h >>= 4)
    result += "0123456789abcdef"[h & 15];
  return result;
}

network_worker::network_worker(network_settings settings)
    : settings_(std::move(settings)), rules_(settings_.bridge) {}

caf::error network_worker::check_settings() {
  auto& name = settings_.bridge;
  auto word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  // The name is also part of the nftables table's.
  if (name.empty() || name.size() >= IFNAMSIZ || !std::all_of(name.begin(), name.end(), word))
    return make_error(errc::invalid, "the bridge's name \"" + name + "\" must be 1 to 15 of a-z, 0-9 and _");
  auto network = parse_ipv4_network(settings_.network);
  if (!network) return std::move(network.error());
  addresses_.emplace(*network);
  return {};
}

// A pod network that hides part of what the host reaches would be hard to find later.
caf::error network_worker::check_overlap() {
  auto& mine = addresses_->network();
  std::string other;
  netlink_message request{"list the routes", RTM_GETROUTE, NLM_F_DUMP};
  rtmsg header{};
  header.rtm_family = AF_INET;
  request.header(header);
  auto err = host_->dump(std::move(request), [&](const nlmsghdr& h) {
    auto* route = static_cast<const rtmsg*>(NLMSG_DATA(&h));
    if (route->rtm_family != AF_INET || route->rtm_table != RT_TABLE_MAIN || route->rtm_dst_len == 0) return;
    ipv4_network there{.base = 0, .prefix_bits = route->rtm_dst_len};
    int link = 0;
    each_attribute(h, sizeof *route, [&](uint16_t type, std::span<const char> value) {
      if (value.size() != 4) return;
      uint32_t number = 0;
      std::copy_n(value.data(), 4, reinterpret_cast<char*>(&number));
      if (type == RTA_DST) there.base = ntohl(number);
      if (type == RTA_OIF) link = static_cast<int>(number);
    });
    // A wider route to elsewhere loses to ours and is meant to; a wider network that is attached here is not.
    bool overlaps = mine.contains(there) || (there.contains(mine) && route->rtm_scope == RT_SCOPE_LINK);
    if (!overlaps || link == bridge_index_) return;
    char name[IF_NAMESIZE] = "?";
    ::if_indextoname(static_cast<unsigned>(link), name);
    other = there.text() + " on " + name;
  });
  if (err) return err;
  if (other.empty()) return {};
  return make_error(errc::conflict, "the pod network " + mine.text() + " overlaps " + other
                                        + "; choose another one in the settings");
}

caf::error network_worker::make_bridge() {
  auto& name = settings_.bridge;
  auto make = new_link("make the bridge " + name, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  auto gateway = addresses_->gateway();
  // A fixed address: otherwise it would change with the ports, and with it what pods remember of their
  // gateway.
  const unsigned char mac[] = {0x0a,
                               0x70,
                               static_cast<unsigned char>(gateway >> 24),
                               static_cast<unsigned char>(gateway >> 16),
                               static_cast<unsigned char>(gateway >> 8),
                               static_cast<unsigned char>(gateway)};
  make.text(IFLA_IFNAME, name).attribute(IFLA_ADDRESS, mac, sizeof mac);
  if (settings_.mtu) make.number32(IFLA_MTU, settings_.mtu);
  make.begin(IFLA_LINKINFO).text(IFLA_INFO_KIND, "bridge").end();
  if (auto err = host_->run(std::move(make), EEXIST)) return err;
  auto index = host_->index_of(name);
  if (!index) return std::move(index.error());
  bridge_index_ = *index;
  if (auto err = without_ipv6(*host_, bridge_index_)) return err;
  netlink_message steps[] = {
      new_address("give the bridge " + name + " its address", bridge_index_, gateway, addresses_->network()),
      new_link("start the bridge " + name, 0, link_up(bridge_index_)),
  };
  if (auto err = host_->run(steps, EEXIST)) return err;
  if (auto err = write_sysctl("ip_forward", "1")) return err;
  return write_sysctl("conf/" + name + "/route_localnet", "1");
}

caf::expected<std::vector<pod_network_info>> network_worker::start() {
  pods_.clear();
  leaving_.clear();
  if (auto err = check_settings()) return err;
  auto socket = netlink_socket::open();
  if (!socket) return std::move(socket.error());
  host_.emplace(std::move(*socket));
  std::error_code ec;
  fs::create_directories(settings_.run_dir / "netns", ec);
  fs::create_directories(settings_.run_dir / "pods", ec);
  if (ec) return errno_error("cannot make " + settings_.run_dir.string(), ec.value());
  auto before = host_->index_of(settings_.bridge);
  bridge_index_ = before ? *before : 0;
  if (auto err = check_overlap()) return err;
  if (auto err = make_bridge()) return err;
  load_records();
  if (auto err = sweep()) return err;
  if (auto err = rules_.install(addresses_->network(), all_rules())) return err;
  std::vector<pod_network_info> result;
  for (auto& [uid, pod] : pods_)
    result.push_back(info(uid, pod));
  return result;
}

caf::expected<std::vector<host_port_rule>> network_worker::rules_for(const std::vector<port_mapping>& ports,
                                                                     uint32_t ip) const {
  std::vector<host_port_rule> result;
  for (auto& port : ports) {
    if (port.host_port == 0) continue;
    host_port_rule rule;
    rule.protocol = port.protocol.empty() ? "tcp" : port.protocol;
    std::transform(rule.protocol.begin(), rule.protocol.end(), rule.protocol.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    auto shown = port.protocol + " host port " + port.host_ip + ":" + std::to_string(port.host_port);
    auto in_range = [](int32_t n) { return n > 0 && n <= 65'535; };
    bool known = rule.protocol == "tcp" || rule.protocol == "udp" || rule.protocol == "sctp";
    if (!known || !in_range(port.host_port) || !in_range(port.container_port))
      return make_error(errc::invalid, shown + " is no valid port");
    if (!port.host_ip.empty()) {
      auto address = parse_ipv4(port.host_ip);
      if (!address) return make_error(errc::invalid, shown + ": the address is no IPv4 address");
      rule.host_ip = *address;
    }
    rule.host_port = static_cast<uint16_t>(port.host_port);
    rule.pod_ip = ip;
    rule.pod_port = static_cast<uint16_t>(port.container_port);
    for (auto& [uid, pod] : pods_)
      for (auto& other : pod.ports)
        if (rule.collides(other)) return make_error(errc::conflict, shown + " is taken by pod " + uid);
    if (std::find(result.begin(), result.end(), rule) == result.end()) result.push_back(std::move(rule));
  }
  return result;
}

caf::expected<pod_network_info> network_worker::setup(const std::string& pod_uid,
                                                      const std::vector<port_mapping>& ports,
                                                      const fs::path& netns) {
  if (!host_) return make_error(errc::unavailable, "the pod network has not started");
  if (!usable_uid(pod_uid)) return make_error(errc::invalid, "\"" + pod_uid + "\" is no usable pod uid");
  if (auto i = pods_.find(pod_uid); i != pods_.end()) {
    bool same_place = netns.empty() || netns == i->second.netns;
    if (same_place && is_whole(pod_uid, i->second)) return info(pod_uid, i->second);
    if (auto err = teardown(pod_uid)) return err;
  }
  auto ip = addresses_->take();
  if (!ip) return std::move(ip.error());
  pod_record pod;
  pod.ip = *ip;
  pod.netns = netns.empty() ? pin(pod_uid) : netns;
  auto failed = [&](caf::error err) {
    (void)remove_pieces(pod_uid, pod);
    addresses_->give_back(*ip);
    return err;
  };
  auto rules = rules_for(ports, *ip);
  if (!rules) {
    addresses_->give_back(*ip);
    return std::move(rules.error());
  }
  pod.ports = std::move(*rules);
  // The record comes first: whatever is made after it can be found and removed.
  if (auto err = save(pod_uid, pod)) return failed(std::move(err));
  if (auto err = connect(pod_uid, pod)) return failed(std::move(err));
  if (auto err = rules_.add(pod.ports)) return failed(std::move(err));
  pod.whole = true;
  if (auto err = save(pod_uid, pod)) return failed(std::move(err));
  return info(pod_uid, pods_[pod_uid] = std::move(pod));
}

caf::error network_worker::connect(const std::string& pod_uid, const pod_record& pod) {
  // A pin may be left of a try that was cut short.
  if (auto err = remove_network_namespace(pod.netns)) return err;
  auto inside = make_network_namespace(pod.netns);
  if (!inside) return std::move(inside.error());
  unique_fd space{::open(pod.netns.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!space) return errno_error("cannot open " + pod.netns.string(), errno);
  auto name = host_interface_name(pod_uid);
  if (leaving_.contains(name)) {
    if (auto err = remove_interface(name)) return err;
    leaving_.erase(name);
  }
  auto make = new_link("make the interfaces of pod " + pod_uid, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  make.text(IFLA_IFNAME, name).number32(IFLA_MASTER, static_cast<uint32_t>(bridge_index_));
  if (settings_.mtu) make.number32(IFLA_MTU, settings_.mtu);
  make.begin(IFLA_LINKINFO).text(IFLA_INFO_KIND, "veth").begin(IFLA_INFO_DATA).begin(VETH_INFO_PEER);
  make.header(ifinfomsg{})
      .text(IFLA_IFNAME, "eth0")
      .number32(IFLA_NET_NS_FD, static_cast<uint32_t>(space.get()));
  if (settings_.mtu) make.number32(IFLA_MTU, settings_.mtu);
  make.end().end().end();
  if (auto err = host_->run(std::move(make))) return err;
  auto index = host_->index_of(name);
  if (!index) return std::move(index.error());
  // A pod may reach itself through its own host port: the bridge must send out of the port it received from.
  ifinfomsg port{};
  port.ifi_family = AF_BRIDGE;
  port.ifi_index = *index;
  netlink_message hairpin{"set up the bridge's port " + name, RTM_SETLINK, NLM_F_ACK};
  hairpin.header(port).begin(IFLA_PROTINFO).number8(IFLA_BRPORT_MODE, 1).end();
  if (auto err = without_ipv6(*host_, *index)) return err;
  netlink_message steps[] = {std::move(hairpin), new_link("start the interface " + name, 0, link_up(*index))};
  if (auto err = host_->run(steps)) return err;
  return configure_pod(*inside, pod.ip);
}

caf::error network_worker::configure_pod(netlink_socket& inside, uint32_t ip) {
  auto eth0 = inside.index_of("eth0");
  if (!eth0) return std::move(eth0.error());
  if (auto err = without_ipv6(inside, *eth0)) return err;
  rtmsg route{};
  route.rtm_family = AF_INET;
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = RT_SCOPE_UNIVERSE;
  route.rtm_type = RTN_UNICAST;
  netlink_message way_out{"give the pod its default route", RTM_NEWROUTE,
                          NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE};
  way_out.header(route).number32(RTA_GATEWAY, htonl(addresses_->gateway()));
  way_out.number32(RTA_OIF, static_cast<uint32_t>(*eth0));
  netlink_message steps[] = {new_link("start the pod's loopback", 0, link_up(1)),
                             new_address("give the pod its address", *eth0, ip, addresses_->network()),
                             new_link("start the pod's eth0", 0, link_up(*eth0)), std::move(way_out)};
  return inside.run(steps);
}

caf::error network_worker::remove_interface(const std::string& name) {
  netlink_message gone{"remove the interface " + name, RTM_DELLINK, NLM_F_ACK};
  gone.header(ifinfomsg{}).text(IFLA_IFNAME, name);
  return host_->run(std::move(gone), ENODEV);
}

caf::error network_worker::remove_leaving() {
  while (!leaving_.empty()) {
    if (auto err = remove_interface(*leaving_.begin())) return err;
    leaving_.erase(leaving_.begin());
  }
  return {};
}

caf::error network_worker::remove_pieces(const std::string& pod_uid, const pod_record& pod) {
  auto result = rules_.remove(pod.ports);
  auto keep_first = [&](caf::error err) {
    if (err && !result) result = std::move(err);
  };
  leaving_.insert(host_interface_name(pod_uid));
  keep_first(remove_network_namespace(pod.netns));
  // The record goes last: while anything may be left, it is known.
  std::error_code ec;
  if (!result) fs::remove(record_file(pod_uid), ec);
  return result;
}

caf::error network_worker::teardown(const std::string& pod_uid) {
  if (!host_) return make_error(errc::unavailable, "the pod network has not started");
  auto i = pods_.find(pod_uid);
  if (i == pods_.end()) return {};
  if (auto err = remove_pieces(pod_uid, i->second)) return err;
  addresses_->give_back(i->second.ip);
  pods_.erase(i);
  return {};
}

caf::error network_worker::remove_all() {
  while (!pods_.empty())
    if (auto err = teardown(pods_.begin()->first)) return err;
  if (auto err = remove_leaving()) return err;
  if (auto err = rules_.uninstall()) return err;
  netlink_message gone{"remove the bridge " + settings_.bridge, RTM_DELLINK, NLM_F_ACK};
  gone.header(ifinfomsg{}).text(IFLA_IFNAME, settings_.bridge);
  return host_ ? host_->run(std::move(gone), ENODEV) : caf::error{};
}

} // namespace podium
