// Which kernel parameters a pod may set, and of which namespace each is.
#include "actors/sysctl_rules.hpp"
#include "core/sysctls.hpp"
#include <boost/test/unit_test.hpp>

using namespace podium;

BOOST_AUTO_TEST_SUITE(sysctl_rules)

BOOST_AUTO_TEST_CASE(names_and_namespaces) {
  using of = sysctl_namespace;
  struct row {
    const char *name, *normal;
    of ns;
  };
  for (auto& r : {row{"net.ipv4.tcp_syncookies", "net.ipv4.tcp_syncookies", of::net},
                  row{"net/ipv4/tcp_syncookies", "net.ipv4.tcp_syncookies", of::net},
                  row{"net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.eth0/100.rp_filter", of::net},
                  row{"net.ipv4.conf.eth0/100.rp_filter", "net.ipv4.conf.eth0/100.rp_filter", of::net},
                  row{"kernel.shm_rmid_forced", "kernel.shm_rmid_forced", of::ipc},
                  row{"kernel/sem", "kernel.sem", of::ipc}, row{"kernel.msgmax", "kernel.msgmax", of::ipc},
                  row{"fs.mqueue.msg_max", "fs.mqueue.msg_max", of::ipc},
                  row{"kernel.shm_next_id", "kernel.shm_next_id", of::none},
                  row{"kernel.panic", "kernel.panic", of::none}, row{"network.x", "network.x", of::none},
                  row{"vm.swappiness", "vm.swappiness", of::none}, row{"", "", of::none}}) {
    auto normal = normal_sysctl_name(r.name);
    BOOST_TEST(normal == r.normal);
    BOOST_TEST((namespace_of_sysctl(normal) == r.ns), r.name);
  }
  for (auto* known : {"net.*", "net.core.*", "kernel.shm*", "kernel.msg*", "fs.mqueue.*", "kernel.sem"})
    BOOST_TEST((namespace_of_sysctl_pattern(known) != of::none), known);
  for (auto* unknown : {"kernel.*", "*", "vm.*", "fs.*", "net*", "kernel.panic"})
    BOOST_TEST((namespace_of_sysctl_pattern(unknown) == of::none), unknown);
}

BOOST_AUTO_TEST_CASE(what_a_pod_may_set) {
  struct row {
    const char* name;
    std::vector<std::string> allowed;
    bool host_network, host_ipc;
    const char* why;
  };
  for (auto& r : {row{"kernel.shm_rmid_forced", {}, false, false, ""},
                  row{"net.ipv4.ip_unprivileged_port_start", {}, false, false, ""},
                  row{"net/ipv4/tcp_rmem", {}, false, false, ""},
                  row{"net.core.somaxconn", {}, false, false, "\"net.core.somaxconn\" not allowlisted"},
                  row{"net.core.somaxconn", {"net.core.*"}, false, false, ""},
                  row{"net/core/somaxconn", {"net/core/*"}, false, false, ""},
                  row{"net.core.somaxconn", {"net.core.somaxconn"}, false, false, ""},
                  row{"net.core.somaxconn2",
                      {"net.core.somaxconn"},
                      false,
                      false,
                      "\"net.core.somaxconn2\" not allowlisted"},
                  row{"kernel.msgmax", {"net.*"}, false, false, "\"kernel.msgmax\" not allowlisted"},
                  row{"kernel.msgmax", {"kernel.msg*"}, false, false, ""},
                  row{"kernel.msgmax",
                      {"kernel.msg*"},
                      false,
                      true,
                      "\"kernel.msgmax\" not allowed with host IPC enabled"},
                  row{"net.core.somaxconn",
                      {"net.core.*"},
                      true,
                      false,
                      "\"net.core.somaxconn\" not allowed with host Net enabled"},
                  row{"net.ipv4.tcp_syncookies",
                      {},
                      true,
                      false,
                      "\"net.ipv4.tcp_syncookies\" not allowed with host Net enabled"},
                  row{"net.ipv4.tcp_syncookies", {}, false, true, ""}}) {
    pod_spec spec;
    spec.host_network = r.host_network;
    spec.host_ipc = r.host_ipc;
    BOOST_TEST(!forbidden_sysctl(spec, r.allowed));
    spec.security_context_.emplace().sysctls = {{"net.ipv4.ping_group_range", "0 1"}, {r.name, "1"}};
    if (r.host_network) spec.security_context_->sysctls.erase(spec.security_context_->sysctls.begin());
    auto fault = forbidden_sysctl(spec, r.allowed);
    BOOST_TEST(fault.reason == (*r.why == 0 ? "" : "SysctlForbidden"), r.name);
    BOOST_TEST(fault.message
               == (*r.why == 0 ? "" : std::string{"Pod was rejected: forbidden sysctl: "} + r.why));
  }
}

BOOST_AUTO_TEST_SUITE_END()
