#include "runtime/oci/pod_files.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;

namespace {

constexpr auto node_file =
    "# the node's\nsearch old.example\nnameserver 10.0.0.53 # main\nnameserver 10.0.0.54\n"
    "search corp.example example.org\noptions timeout:2 ndots:1\n";

struct dns_row {
  const char* what;
  dns_settings dns;
  const char* text;
};

} // namespace

BOOST_AUTO_TEST_SUITE(pod_files_suite)

BOOST_AUTO_TEST_CASE(resolv_conf_by_policy_and_config) {
  const dns_row rows[] = {
      {"Default: what the node's file says, the last search line of it",
       {},
       "nameserver 10.0.0.53\nnameserver 10.0.0.54\nsearch corp.example example.org\noptions timeout:2 "
       "ndots:1\n"},
      {"None: only the pod's own", {false, {"1.1.1.1"}, {}, {}}, "nameserver 1.1.1.1\n"},
      {"ClusterFirst with dnsConfig: added, repeated ones once, options of one name replaced",
       {false,
        {"10.96.0.10", "10.96.0.10"},
        {"ns.svc.cluster.local", "a.b", "a.b"},
        {"ndots:5", "ndots:2", "debug"}},
       "nameserver 10.96.0.10\nsearch ns.svc.cluster.local a.b\noptions ndots:2 debug\n"},
      {"three name servers at most",
       {true, {"1.1.1.1", "2.2.2.2"}, {}, {"ndots:3"}},
       "nameserver 10.0.0.53\nnameserver 10.0.0.54\nnameserver 1.1.1.1\nsearch corp.example example.org\n"
       "options timeout:2 ndots:3\n"},
  };
  for (auto& row : rows) {
    BOOST_TEST_CONTEXT(row.what) {
      BOOST_TEST(resolv_conf_text(row.dns, node_file) == row.text);
    }
  }
}

BOOST_AUTO_TEST_CASE(searches_are_bounded) {
  dns_settings dns;
  for (int i = 0; i < 40; ++i)
    dns.searches.push_back(std::string(100, static_cast<char>('a' + i % 26)) + std::to_string(i)
                           + ".example");
  auto text = resolv_conf_text(dns, "");
  BOOST_TEST(text.starts_with("search " + dns.searches[0] + " "));
  BOOST_TEST(text.size() <= 2048 + std::string_view{"search \n"}.size());
}

BOOST_AUTO_TEST_CASE(hosts_name_the_pod_and_its_aliases) {
  create_sandbox pod;
  pod.hostname = "web";
  auto plain = hosts_text(pod, "10.85.0.2", "");
  BOOST_TEST(plain.starts_with("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"));
  BOOST_TEST(plain.ends_with("10.85.0.2\tweb\n"));
  pod.domain = "sub.default.svc.cluster.local";
  pod.host_aliases = {{"1.2.3.4", {"a", "b"}}};
  BOOST_TEST(hosts_text(pod, "10.85.0.2", "")
                 .ends_with("10.85.0.2\tweb.sub.default.svc.cluster.local\tweb\n\n"
                            "# Entries added by HostAliases.\n1.2.3.4\ta\tb\n"));
  // With setHostnameAsFQDN the host name is the full one already.
  pod.hostname = "web.sub.default.svc.cluster.local";
  BOOST_TEST(hosts_text(pod, "10.85.0.2", "").find("10.85.0.2\tweb.sub.default.svc.cluster.local\tweb\n")
             != std::string::npos);
  pod.host_network = true;
  BOOST_TEST(hosts_text(pod, "", "192.0.2.1 node")
                 .starts_with("# Kubernetes-managed hosts file (host network).\n192.0.2.1 node\n"));
}

BOOST_AUTO_TEST_SUITE_END()
