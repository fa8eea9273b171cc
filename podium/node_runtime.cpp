#include "podium/node_runtime.hpp"

#include "runtime/http/client.hpp"
#include "runtime/image/image_service.hpp"
#include "runtime/image/image_store.hpp"
#include "runtime/network/network_port.hpp"
#include "runtime/oci/cgroup.hpp"
#include "runtime/oci/container_runtime.hpp"
#include "runtime/oci/container_streams.hpp"
#include "runtime/oci/oci_runtime.hpp"
#include "runtime/probe/network_prober.hpp"
#include "runtime/probe/probe_executor.hpp"
#include "runtime/volume/volume_manager.hpp"

#include <arpa/inet.h>
#include <filesystem>
#include <future>
#include <ifaddrs.h>
#include <net/if.h>

namespace podium {
namespace {

namespace fs = std::filesystem;

image_settings image_settings_of(const config::settings& from) {
  image_settings out;
  out.root = fs::path(from.data_dir) / "images";
  out.pull_timeout = std::chrono::duration_cast<std::chrono::seconds>(from.images.pull_timeout);
  out.parallel_pulls = static_cast<unsigned>(from.images.parallel_pulls);
  for (auto& [host, mirrors] : from.registry_mirrors) {
    auto& upstream = out.registries[host];
    for (auto& m : mirrors)
      upstream.mirrors.push_back(m.layout.empty()
                                     ? image_source{(m.insecure ? "http://" : "") + m.registry, !m.insecure}
                                     : image_source{"oci:" + m.layout, true});
  }
  return out;
}

oci_settings oci_settings_of(const config::settings& from) {
  oci_settings out;
  out.root = from.data_dir;
  out.run_root = from.run_dir;
  out.log_root = from.data_dir + "/logs";
  // Two daemons on one machine must not meet in one cgroup.
  out.cgroup_root = from.data_dir == config::settings{}.data_dir
                        ? "/podium"
                        : "/podium-" + std::to_string(fnv1a(from.data_dir) % 1'000'000);
  out.log_max_bytes = from.logs.max_bytes;
  out.log_max_files = static_cast<int>(from.logs.max_files);
  if (from.runtime == "runc") out.crun = "";
  if (from.runtime == "crun") out.runc = "";
  return out;
}

network_settings network_settings_of(const config::settings& from) {
  network_settings out;
  out.bridge = from.network.bridge;
  out.network = from.network.pod_cidr;
  out.run_dir = fs::path(from.run_dir) / "network";
  out.mtu = static_cast<uint32_t>(from.network.mtu);
  return out;
}

/// The machine's first address that is not a loopback or a bridge of ours, and its name.
std::vector<node_address> machine_addresses(const config::settings& settings) {
  std::vector<node_address> out;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) == 0) {
    for (auto* i = list; i && out.empty(); i = i->ifa_next) {
      if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK)) continue;
      if (std::string_view{i->ifa_name} == settings.network.bridge || !(i->ifa_flags & IFF_UP)) continue;
      char text[INET_ADDRSTRLEN];
      inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(i->ifa_addr)->sin_addr, text, sizeof text);
      out.push_back({"InternalIP", text});
    }
    freeifaddrs(list);
  }
  if (out.empty()) out.push_back({"InternalIP", "127.0.0.1"});
  out.push_back({"Hostname", settings.node_name});
  return out;
}

/// Runs an asynchronous start on the loop and waits for its error.
template <class Start>
caf::error await(event_loop& loop, Start start) {
  auto promise = std::make_shared<std::promise<caf::error>>();
  auto future = promise->get_future();
  loop.post([start, promise] { start([promise](caf::error err) { promise->set_value(std::move(err)); }); });
  return future.get();
}

} // namespace

struct node_runtime::impl {
  impl(event_loop& l, const config::settings& settings)
      : loop(l), pool(l, 4), children(l), client(l), store(l, pool, children, image_settings_of(settings)),
        network(l, pool, network_settings_of(settings)),
        containers(
            l, pool, children, oci_settings_of(settings),
            [this](const std::string& id) { return store.find(id); }, port_of(network, networked)),
        prober(l, client), streams(containers) {}

  event_loop& loop;
  work_pool pool;
  launcher children;
  http_client client;
  image_store store;
  pod_network network;
  std::shared_ptr<std::set<std::string>> networked = std::make_shared<std::set<std::string>>();
  oci_runtime containers;
  network_prober prober;
  container_streams streams;
  container_runtime_actor container_port;
  image_service_actor image_port;
  probe_executor_actor probe_port;
  volume_manager_actor volume_port;
};

node_runtime::node_runtime(std::unique_ptr<impl> parts) : impl_(std::move(parts)) {}

node_runtime::~node_runtime() = default;

caf::expected<std::unique_ptr<node_runtime>> node_runtime::start(caf::actor_system& system, env_ptr env,
                                                                 event_loop& loop,
                                                                 const config::settings& settings,
                                                                 const std::stop_token& stop) {
  auto stopped = [&] { return make_error(errc::cancelled, "podium was asked to end while it started"); };
  auto parts = std::make_unique<impl>(loop, settings);
  auto& p = *parts;
  if (auto err = await(loop, [&](auto done) { p.store.start(done); })) return err;
  if (stop.stop_requested()) return stopped();
  if (auto err = await(loop, [&](auto done) {
        p.network.start([done, networked = p.networked](caf::expected<std::vector<pod_network_info>> pods) {
          if (!pods) return done(pods.error());
          for (auto& pod : *pods)
            networked->insert(pod.pod_uid);
          done({});
        });
      }))
    return err;
  if (stop.stop_requested()) return stopped();
  if (auto err = await(loop, [&](auto done) { p.containers.start(done); })) return err;
  if (stop.stop_requested()) return stopped();
  p.container_port = spawn_container_runtime(system, env, p.containers, machine_addresses(settings));
  p.image_port = spawn_image_service(system, env, loop, p.store,
                                     [&containers = p.containers] { return containers.images_in_use(); });
  p.probe_port = spawn_probe_executor(system, env, loop, p.prober, p.container_port);
  p.volume_port = spawn_volume_manager(system, env, loop, {settings.data_dir, settings.run_dir});
  return std::unique_ptr<node_runtime>(new node_runtime(std::move(parts)));
}

const container_runtime_actor& node_runtime::containers() const {
  return impl_->container_port;
}
const image_service_actor& node_runtime::images() const {
  return impl_->image_port;
}
const probe_executor_actor& node_runtime::prober() const {
  return impl_->probe_port;
}
const volume_manager_actor& node_runtime::volumes() const {
  return impl_->volume_port;
}
container_streams& node_runtime::streams() {
  return impl_->streams;
}

oci_runtime& node_runtime::oci() {
  return impl_->containers;
}

void node_runtime::remove_traces(const config::settings& settings) {
  await(impl_->loop, [this](auto done) { impl_->network.remove_all(done); });
  // What a daemon that was killed had begun may have left it there. Nobody is in it; should somebody be, it
  // stays.
  auto root = oci_settings_of(settings).cgroup_root;
  auto tree = cgroup_tree::detect();
  if (tree && tree->processes(root).empty()) tree->remove(root);
}

void node_runtime::stop_actors() {
  for (auto ref :
       {caf::actor_cast<caf::actor>(impl_->probe_port), caf::actor_cast<caf::actor>(impl_->image_port),
        caf::actor_cast<caf::actor>(impl_->volume_port), caf::actor_cast<caf::actor>(impl_->container_port)})
    caf::anon_send_exit(ref, caf::exit_reason::user_shutdown);
  impl_->probe_port = nullptr;
  impl_->image_port = nullptr;
  impl_->volume_port = nullptr;
  impl_->container_port = nullptr;
}

} // namespace podium
