// What of the pod network is written down and found again; network_worker.cpp has the making.
#include "core/error.hpp"
#include "runtime/network/namespaces.hpp"
#include "runtime/network/network_worker.hpp"
#include <boost/json.hpp>
#include <cerrno>
#include <fstream>
#include <set>
#include <sstream>

namespace podium {

namespace fs = std::filesystem;
namespace json = boost::json;

fs::path network_worker::record_file(const std::string& pod_uid) const {
  return settings_.run_dir / "pods" / (pod_uid + ".json");
}

fs::path network_worker::pin(const std::string& pod_uid) const {
  return settings_.run_dir / "netns" / pod_uid;
}

pod_network_info network_worker::info(const std::string& pod_uid, const pod_record& pod) const {
  return {.pod_uid = pod_uid,
          .ip = ipv4_text(pod.ip),
          .gateway = ipv4_text(addresses_->gateway()),
          .netns = pod.netns,
          .host_interface = host_interface_name(pod_uid)};
}

std::vector<host_port_rule> network_worker::all_rules() const {
  std::vector<host_port_rule> result;
  for (auto& [uid, pod] : pods_)
    result.insert(result.end(), pod.ports.begin(), pod.ports.end());
  return result;
}

// The directory does not survive a reboot, so that nothing needs to be forced to a disk: only replaced whole.
caf::error network_worker::save(const std::string& pod_uid, const pod_record& pod) const {
  json::array ports;
  for (auto& p : pod.ports)
    ports.push_back({{"protocol", p.protocol},
                     {"hostIP", p.host_ip},
                     {"hostPort", p.host_port},
                     {"podPort", p.pod_port}});
  json::object doc{
      {"ip", ipv4_text(pod.ip)}, {"netns", pod.netns.string()}, {"whole", pod.whole}, {"ports", ports}};
  auto file = record_file(pod_uid);
  auto temporary = settings_.run_dir / "pods" / ("." + pod_uid);
  std::ofstream out{temporary, std::ios::trunc};
  out << json::serialize(doc) << std::flush;
  if (!out) return errno_error("cannot write " + temporary.string(), errno);
  out.close();
  std::error_code ec;
  fs::rename(temporary, file, ec);
  return ec ? errno_error("cannot write " + file.string(), ec.value()) : caf::error{};
}

void network_worker::load_records() {
  std::error_code ec;
  for (fs::directory_iterator i{settings_.run_dir / "pods", ec}, end; !ec && i != end; i.increment(ec)) {
    if (i->path().extension() != ".json") continue;
    auto uid = i->path().stem().string();
    try {
      std::ifstream in{i->path()};
      std::stringstream text;
      text << in.rdbuf();
      auto doc = json::parse(text.str());
      pod_record pod;
      pod.ip = parse_ipv4(doc.at("ip").as_string().c_str()).value_or(0);
      pod.netns = doc.at("netns").as_string().c_str();
      pod.whole = doc.at("whole").as_bool();
      for (auto& p : doc.at("ports").as_array())
        pod.ports.push_back({.protocol = p.at("protocol").as_string().c_str(),
                             .host_ip = p.at("hostIP").to_number<uint32_t>(),
                             .host_port = p.at("hostPort").to_number<uint16_t>(),
                             .pod_ip = pod.ip,
                             .pod_port = p.at("podPort").to_number<uint16_t>()});
      if (pod.whole && is_whole(uid, pod) && addresses_->reserve(pod.ip)) pods_.emplace(uid, std::move(pod));
    } catch (const std::exception&) {
      // A record that says nothing keeps nothing: sweep() removes what it was for.
    }
  }
}

bool network_worker::is_whole(const std::string& pod_uid, const pod_record& pod) {
  return pod.whole && is_network_namespace(pod.netns)
         && host_->index_of(host_interface_name(pod_uid)).engaged();
}

// Removes interfaces, namespaces and records of pods that are not known.
caf::error network_worker::sweep() {
  std::set<std::string> known;
  for (auto& [uid, pod] : pods_)
    known.insert(host_interface_name(uid));
  std::vector<std::string> strangers;
  netlink_message request{"list the links", RTM_GETLINK, NLM_F_DUMP};
  request.header(ifinfomsg{});
  auto err = host_->dump(std::move(request), [&](const nlmsghdr& h) {
    std::string name;
    int master = 0;
    each_attribute(h, sizeof(ifinfomsg), [&](uint16_t type, std::span<const char> value) {
      if (type == IFLA_IFNAME) name = attribute_text(value);
      if (type == IFLA_MASTER && value.size() == 4)
        std::copy_n(value.data(), 4, reinterpret_cast<char*>(&master));
    });
    if (master == bridge_index_ && name.starts_with("veth") && !known.contains(name))
      strangers.push_back(name);
  });
  if (err) return err;
  for (auto& name : strangers)
    if (auto e = remove_interface(name)) return e;
  std::error_code ec;
  for (auto& entry : fs::directory_iterator(settings_.run_dir / "netns", ec))
    if (!pods_.contains(entry.path().filename()))
      if (auto e = remove_network_namespace(entry.path())) return e;
  for (auto& entry : fs::directory_iterator(settings_.run_dir / "pods", ec))
    if (!pods_.contains(entry.path().stem())) fs::remove(entry.path(), ec);
  return {};
}

} // namespace podium
