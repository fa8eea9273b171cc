#include "runtime/network/port_rules.hpp"
#include "core/error.hpp"
#include <nftables/libnftables.h>
#include <utility>

namespace podium {

namespace {

std::string table_of(const std::string& bridge) {
  return "table ip podium_" + bridge;
}

std::string element(const host_port_rule& rule) {
  auto to = " : " + ipv4_text(rule.pod_ip) + " . " + std::to_string(rule.pod_port);
  auto key = rule.protocol + " . " + std::to_string(rule.host_port);
  return rule.host_ip == 0 ? key + to : ipv4_text(rule.host_ip) + " . " + key + to;
}

const char* map_of(const host_port_rule& rule) {
  return rule.host_ip == 0 ? "any_address" : "one_address";
}

std::string elements(const std::vector<host_port_rule>& ports, std::string_view map) {
  std::string result;
  for (auto& rule : ports)
    if (map_of(rule) == map) result += (result.empty() ? "elements = { " : ", ") + element(rule);
  return result.empty() ? result : "    " + result + " }\n";
}

} // namespace

std::string port_table_text(const std::string& bridge, const ipv4_network& network,
                            const std::vector<host_port_rule>& ports) {
  auto table = table_of(bridge);
  auto pods = network.text();
  // Making the table first lets the deletion succeed when there is none; all of it is one transaction.
  return table + "\ndelete " + table + "\n" + table
         + " {\n"
           "  map any_address {\n    type inet_proto . inet_service : ipv4_addr . inet_service\n"
         + elements(ports, "any_address")
         + "  }\n"
           "  map one_address {\n    type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service\n"
         + elements(ports, "one_address")
         + "  }\n"
           // The bridge routes 127.0.0.0/8 so that host ports work on loopback; pods must not reach the
           // host's own through it.
           "  chain guard {\n    type filter hook prerouting priority raw; policy accept;\n    iifname \""
         + bridge
         + "\" ip daddr 127.0.0.0/8 drop\n  }\n"
           "  chain ports {\n"
           "    dnat ip addr . port to ip daddr . meta l4proto . th dport map @one_address\n"
           "    dnat ip addr . port to meta l4proto . th dport map @any_address\n  }\n"
           "  chain incoming {\n    type nat hook prerouting priority dstnat; policy accept;\n"
           "    fib daddr type local jump ports\n  }\n"
           "  chain local {\n    type nat hook output priority -100; policy accept;\n"
           "    fib daddr type local jump ports\n  }\n"
           "  chain leaving {\n    type nat hook postrouting priority srcnat; policy accept;\n"
           "    ip saddr "
         + pods + " ip daddr != " + pods + " oifname != \"" + bridge
         + "\" masquerade\n"
           // A pod that reaches a pod of this host, itself included, through a host port; and loopback
           // likewise.
           "    ct status dnat ip saddr "
         + pods + " ip daddr " + pods
         + " masquerade\n"
           "    ct status dnat ip saddr 127.0.0.0/8 oifname \""
         + bridge + "\" masquerade\n  }\n}\n";
}

port_rules::~port_rules() {
  if (context_) nft_ctx_free(context_);
}

caf::error port_rules::run(const std::string& what, const std::string& commands) {
  if (!context_) {
    context_ = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!context_) return make_error(errc::unavailable, "cannot " + what + ": nftables is not available");
    nft_ctx_buffer_error(context_);
    nft_ctx_buffer_output(context_);
  }
  auto rc = nft_run_cmd_from_buffer(context_, commands.c_str());
  std::string_view text = nft_ctx_get_error_buffer(context_);
  (void)nft_ctx_get_output_buffer(context_); // reading it empties it
  if (rc == 0) return {};
  auto line = std::string{text.substr(0, text.find('\n'))};
  auto code = line.find("No such file") != line.npos  ? errc::not_found
              : line.find("File exists") != line.npos ? errc::conflict
                                                      : errc::io;
  if (line.find("not permitted") != line.npos) line += "; the pod network needs CAP_NET_ADMIN";
  return make_error(code, "cannot " + what + ": nftables: " + line);
}

caf::error port_rules::install(const ipv4_network& network, const std::vector<host_port_rule>& ports) {
  auto err = run("set up the pod network's rules", port_table_text(bridge_, network, ports));
  // What it has parsed stays in it, two megabytes of it; the next change, if one ever comes, makes another.
  if (auto* context = std::exchange(context_, nullptr)) nft_ctx_free(context);
  return err;
}

caf::error port_rules::change(const char* verb, const std::vector<host_port_rule>& ports) {
  std::string commands;
  for (auto& rule : ports) {
    // A key alone is enough to delete; with its value it is deleted only if it still is this pod's.
    commands += std::string{verb} + " element ip podium_" + bridge_ + " " + map_of(rule) + " { "
                + element(rule) + " }\n";
  }
  return commands.empty() ? caf::error{} : run(std::string{verb} + " host ports", commands);
}

caf::error port_rules::add(const std::vector<host_port_rule>& ports) {
  return change("add", ports);
}

caf::error port_rules::remove(const std::vector<host_port_rule>& ports) {
  // One by one: a transaction with one element that is gone would leave the others.
  for (auto& rule : ports)
    if (auto err = change("delete", {rule}); err && code_of(err) != errc::not_found) return err;
  return {};
}

caf::error port_rules::uninstall() {
  auto err = run("remove the pod network's rules", "delete " + table_of(bridge_) + "\n");
  return code_of(err) == errc::not_found ? caf::error{} : err;
}

} // namespace podium
