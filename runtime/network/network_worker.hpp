// The pod network's blocking half: bridge, veth pairs, namespaces, addresses, host ports, and the records of
// all that. One caller at a time (a serial_queue's jobs).
#pragma once
#include "messages/runtime.hpp"
#include "runtime/network/address_pool.hpp"
#include "runtime/network/netlink.hpp"
#include "runtime/network/port_rules.hpp"
#include <caf/expected.hpp>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace podium {

struct network_settings {
  std::string bridge = "podium0";       ///< at most 15 characters; one a daemon
  std::string network = "10.61.0.0/16"; ///< of the pods; must not overlap what the host reaches otherwise
  std::filesystem::path run_dir =
      "/run/podium/network"; ///< records and pinned namespaces; must not survive a reboot
  uint32_t mtu = 0;          ///< 0: the kernel's default
};

/// A pod's place in the network.
struct pod_network_info {
  std::string pod_uid, ip, gateway;
  std::filesystem::path netns; ///< pinned namespace, for the OCI runtime
  std::string host_interface;  ///< the host's end of the veth pair
};

class network_worker {
public:
  explicit network_worker(network_settings settings);

  /// Makes what all pods share, adopts the pods whose records and namespaces are whole and removes every
  /// other leftover. Errors: errc::invalid (settings), errc::conflict (the network is in use), errc::io,
  /// errc::unavailable.
  caf::expected<std::vector<pod_network_info>> start();
  /// Idempotent per pod. The namespace is pinned at `netns` (a file that does not exist yet, in a directory
  /// that does), or below run_dir when that is empty. Errors: errc::conflict (a host port is taken),
  /// errc::unavailable (no address), errc::invalid, errc::io.
  caf::expected<pod_network_info> setup(const std::string& pod_uid, const std::vector<port_mapping>& ports,
                                        const std::filesystem::path& netns = {});
  /// Idempotent; a pod that is unknown is done. The interfaces go with the namespace, which the kernel ends
  /// in its own time and many at once: removing them one by one costs 30 ms each.
  caf::error teardown(const std::string& pod_uid);
  /// True while interfaces of pods that were torn down have not been seen to be gone.
  bool has_leaving() const { return !leaving_.empty(); }
  /// Removes the interfaces of torn down pods whose namespaces something still holds (a process from outside,
  /// a connection that the kernel is closing). Best to be called a moment after the teardown.
  caf::error remove_leaving();
  /// Removes bridge and table; for `podium down` when no pod is left.
  caf::error remove_all();

private:
  struct pod_record {
    uint32_t ip = 0;
    std::filesystem::path netns;
    std::vector<host_port_rule> ports;
    bool whole = false; ///< everything is in place
  };

  caf::error check_settings();
  caf::error check_overlap();
  caf::error make_bridge();
  caf::error connect(const std::string& pod_uid, const pod_record& pod);
  caf::error configure_pod(netlink_socket& inside, uint32_t ip);
  caf::error remove_interface(const std::string& name);
  caf::error remove_pieces(const std::string& pod_uid, const pod_record& pod);
  caf::error sweep();
  void load_records();
  caf::error save(const std::string& pod_uid, const pod_record& pod) const;
  bool is_whole(const std::string& pod_uid, const pod_record& pod);
  caf::expected<std::vector<host_port_rule>> rules_for(const std::vector<port_mapping>& ports,
                                                       uint32_t ip) const;
  std::vector<host_port_rule> all_rules() const;
  pod_network_info info(const std::string& pod_uid, const pod_record& pod) const;
  std::filesystem::path record_file(const std::string& pod_uid) const;
  std::filesystem::path pin(const std::string& pod_uid) const;

  network_settings settings_;
  std::optional<netlink_socket> host_;
  std::optional<address_pool> addresses_;
  port_rules rules_;
  std::map<std::string, pod_record> pods_;
  std::set<std::string> leaving_; ///< host interfaces of pods that were torn down
  int bridge_index_ = 0;
};

/// The host's end of a pod's veth pair: "veth" and 11 hex digits of the uid's hash.
std::string host_interface_name(const std::string& pod_uid);

} // namespace podium
