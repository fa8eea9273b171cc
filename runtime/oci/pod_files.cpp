#include "runtime/oci/pod_files.hpp"

#include <algorithm>
#include <sstream>

namespace podium {
namespace {

constexpr size_t max_nameservers = 3, max_searches = 32, max_search_bytes = 2048;

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
}

std::string option_name(const std::string& option) {
  return option.substr(0, option.find(':'));
}

void add_option(std::vector<std::string>& list, const std::string& option) {
  auto same = [&](const std::string& known) { return option_name(known) == option_name(option); };
  if (auto known = std::find_if(list.begin(), list.end(), same); known != list.end())
    *known = option;
  else
    list.push_back(option);
}

/// What a resolv.conf says: of several `search` lines the last counts, as for the C library.
dns_settings parse_resolv_conf(std::string_view file) {
  dns_settings out;
  std::istringstream lines{std::string{file}};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line.substr(0, line.find_first_of("#;"))};
    std::string keyword;
    words >> keyword;
    if (keyword == "search" || keyword == "domain") out.searches.clear();
    for (std::string word; words >> word;) {
      if (keyword == "nameserver")
        out.nameservers.push_back(word);
      else if (keyword == "search" || keyword == "domain")
        out.searches.push_back(word);
      else if (keyword == "options")
        add_option(out.options, word);
    }
  }
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (auto& word : words)
    out += " " + word;
  return out;
}

} // namespace

std::string hosts_text(const create_sandbox& pod, std::string_view ip, std::string_view node_hosts) {
  std::string out;
  if (pod.host_network) {
    out = "# Kubernetes-managed hosts file (host network).\n" + std::string{node_hosts};
    if (!out.ends_with('\n')) out += '\n';
  } else {
    out =
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";
    // The full name comes first: it is the canonical one.
    auto name = pod.hostname.substr(0, pod.hostname.find('.'));
    if (!ip.empty())
      out +=
          std::string{ip} + "\t" + (pod.domain.empty() ? "" : name + "." + pod.domain + "\t") + name + "\n";
  }
  if (pod.host_aliases.empty()) return out;
  out += "\n# Entries added by HostAliases.\n";
  for (auto& alias : pod.host_aliases) {
    out += alias.ip;
    for (auto& name : alias.hostnames)
      out += "\t" + name;
    out += "\n";
  }
  return out;
}

std::string resolv_conf_text(const dns_settings& dns, std::string_view node_file) {
  auto all = dns.of_node ? parse_resolv_conf(node_file) : dns_settings{};
  for (auto& server : dns.nameservers)
    add_once(all.nameservers, server);
  for (auto& domain : dns.searches)
    add_once(all.searches, domain);
  for (auto& option : dns.options)
    add_option(all.options, option);
  if (all.nameservers.size() > max_nameservers) all.nameservers.resize(max_nameservers);
  if (all.searches.size() > max_searches) all.searches.resize(max_searches);
  while (joined(all.searches).size() > max_search_bytes + 1)
    all.searches.pop_back();
  std::string out;
  for (auto& server : all.nameservers)
    out += "nameserver " + server + "\n";
  if (!all.searches.empty()) out += "search" + joined(all.searches) + "\n";
  if (!all.options.empty()) out += "options" + joined(all.options) + "\n";
  return out;
}

} // namespace podium
