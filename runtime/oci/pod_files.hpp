// The files of /etc that a pod's containers share: hosts and resolv.conf. Pure texts. Source: the kubelet's
// managed hosts file, and its rules for dnsPolicy and dnsConfig.
#pragma once
#include "messages/runtime.hpp"

#include <string>
#include <string_view>

namespace podium {

/// /etc/hosts. `node_hosts` is the node's own file, taken for pods on its network; `ip` "" is none yet.
std::string hosts_text(const create_sandbox& pod, std::string_view ip, std::string_view node_hosts);

/// /etc/resolv.conf: what `dns` says, after the node's own file where it begins with that. At most 3 name
/// servers and 32 search domains of 2048 bytes together, as resolvers take them; the first ones stay. Of
/// options with one name the last stays.
std::string resolv_conf_text(const dns_settings& dns, std::string_view node_file);

} // namespace podium
