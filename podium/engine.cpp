#include "podium/engine.hpp"

#include "actors/account_token_controller.hpp"
#include "actors/event_recorder.hpp"
#include "actors/garbage_collector.hpp"
#include "actors/namespace_controller.hpp"
#include "actors/node.hpp"
#include "actors/pod_collector.hpp"
#include "actors/registry.hpp"
#include "actors/scheduler.hpp"
#include "actors/service_account_controller.hpp"
#include "actors/taint_eviction.hpp"
#include "actors/volume_binder.hpp"
#include "api/node_ports.hpp"
#include "api/node_streams.hpp"
#include "api/node_usage.hpp"
#include "api/resources.hpp"
#include "api/server.hpp"
#include "api/service_accounts.hpp"
#include "api/token_file.hpp"
#include "podium/actor_watch.hpp"
#include "podium/cluster_client.hpp"
#include "podium/data_dir.hpp"
#include "podium/engine_settings.hpp"
#include "podium/node_runtime.hpp"
#include "runtime/http/pki.hpp"
#include "runtime/http/token_issuer.hpp"
#include "runtime/loop/wall_clock.hpp"
#include "runtime/store/memory_store.hpp"
#include "runtime/store/sqlite_store.hpp"

#include <future>
#include <spdlog/spdlog.h>

namespace podium {
namespace {

/// Every namespaced resource, as registry keys name it; once, although events have two forms.
std::vector<std::string> namespaced_resources() {
  std::vector<std::string> out;
  for (auto& r : api::all_resources())
    if (r.namespaced && !r.convert && r.allows(api::v_create) && r.source == api::resource_source::stored)
      out.emplace_back(r.stored_as);
  return out;
}

/// Every resource whose objects can own others or be owned. Events are neither, as in Kubernetes.
std::vector<collected_resource> collected_resources() {
  std::vector<collected_resource> out;
  for (auto& r : api::all_resources())
    if (r.allows(api::v_create) && r.source == api::resource_source::stored && r.stored_as != "events")
      out.push_back({std::string{r.stored_as}, r.group_version(), std::string{r.kind}, r.namespaced});
  return out;
}

/// Two threads are enough for one node; `sharing` costs nothing while nothing happens.
caf::actor_system_config& configure(caf::actor_system_config& cfg) {
  cfg.set("scheduler.policy", caf::atom("sharing"));
  cfg.set("scheduler.max-threads", size_t{2});
  return cfg;
}

} // namespace

/// Members are in the order of their making; stop() takes them down in reverse.
/// An actor without a supervisor: its end is the daemon's.
struct named_actor {
  const char* name;
  caf::actor handle;
};

struct engine::impl {
  impl(config::settings s, engine_hooks h)
      : settings(std::move(s)), hooks(std::move(h)), system(configure(config)),
        env(std::make_shared<actor_env>(seed_from_system(), measure_epoch_offset(), hooks.trace.get())),
        view(std::make_shared<registry_view>(static_cast<size_t>(settings.store.watch_history))) {
    env->set_faults(hooks.faults.get());
    follow_wall_clock(loop, env);
  }
  ~impl() { stop(); }

  caf::error start(const std::stop_token& stop_asked);
  caf::error start_pki();
  caf::error start_store();
  caf::error start_api();
  void start_actors();
  caf::error wait_for_node(const std::stop_token& stop_asked);
  void watch_actors();
  void stop();

  config::settings settings;
  engine_hooks hooks;
  std::unique_ptr<data_dir_lock> lock;
  event_loop loop;
  caf::actor_system_config config;
  caf::actor_system system;
  env_ptr env;
  std::shared_ptr<registry_view> view;
  std::unique_ptr<node_runtime> runtime;
  cluster_pki pki;
  std::shared_ptr<const token_keys> tokens;
  store_actor store;
  registry_actor registry;
  std::vector<named_actor> controllers; ///< all that works on the registry; they end in this order
  node_actor node;
  std::unique_ptr<api::server> api;
  std::unique_ptr<http_server> http;
  std::unique_ptr<cluster_client> client;
  actor_watch watch;
  std::string url, kubeconfig;
};

/// Before the actors: pods are given the authority's certificate and tokens.
caf::error engine::impl::start_pki() {
  auto address = split_address(settings.api.listen);
  if (!address) return address.error();
  cluster_pki_settings ps;
  ps.directory = settings.data_dir + "/pki";
  ps.names = {{"localhost", settings.node_name, "kubernetes", "kubernetes.default.svc"}, {"127.0.0.1"}};
  if (address->first != "127.0.0.1") ps.names.ips.push_back(address->first);
  auto made = ensure_cluster_pki(ps);
  if (!made) return made.error();
  pki = std::move(*made);
  auto keys = token_keys::open(ps.directory / "sa.key");
  if (!keys) return keys.error();
  tokens = std::move(*keys);
  return {};
}

caf::error engine::impl::start_store() {
  if (settings.store.kind == "memory") {
    store = spawn_memory_store(system, env);
    return {};
  }
  auto made = spawn_sqlite_store(system, env, settings.data_dir + "/podium.db");
  if (!made) return made.error();
  store = *made;
  return {};
}

void engine::impl::start_actors() {
  registry_settings rs;
  rs.store = store;
  rs.view = view;
  rs.log = [](const std::string& line) { spdlog::warn("registry: {}", line); };
  registry = spawn_registry(system, env, rs);
  event_recorder_settings es;
  es.registry = registry;
  es.time_to_live = settings.events.ttl;
  es.max_count = static_cast<size_t>(settings.events.max_count);
  auto recorder = spawn_event_recorder(system, env, "recorder", es);
  auto issuer = spawn_token_issuer(system, env, tokens, view);
  volume_binder_settings bs;
  bs.registry = registry;
  bs.recorder = recorder;
  bs.volumes = runtime->volumes();
  bs.node_name = settings.node_name;
  bs.store = store;
  node_context ctx;
  ctx.env = env;
  ctx.settings = node_settings_of(settings);
  ctx.runtime = runtime->containers();
  ctx.images = runtime->images();
  ctx.prober = runtime->prober();
  ctx.volumes = runtime->volumes();
  ctx.recorder = recorder;
  ctx.registry = registry;
  ctx.store = store;
  ctx.tokens = issuer;
  node = system.spawn<node_agent>(ctx, "node/" + settings.node_name);
  client = std::make_unique<cluster_client>(system, env, registry, node, view);
  auto add = [this](const char* name, const auto& handle) {
    controllers.push_back({name, caf::actor_cast<caf::actor>(handle)});
  };
  auto& certificate = pki.ca.certificate;
  add("node", node);
  add("scheduler", spawn_scheduler(system, env, registry, recorder));
  add("namespace controller", spawn_namespace_controller(system, env, registry, namespaced_resources()));
  add("garbage collector", spawn_garbage_collector(system, env, registry, collected_resources()));
  add("taint eviction", spawn_taint_eviction(system, env, registry, recorder));
  add("service account controller", spawn_service_account_controller(system, env, registry, certificate));
  add("account token controller", spawn_account_token_controller(system, env, registry, issuer, certificate));
  add("pod collector", spawn_pod_collector(system, env, registry));
  add("volume binder", spawn_volume_binder(system, env, bs));
  add("token issuer", issuer);
  add("event recorder", recorder);
}

caf::error engine::impl::start_api() {
  auto address = split_address(settings.api.listen);
  if (!address) return address.error();
  auto& [ip, port] = *address;
  auto tls = tls_context::make({pki.server.certificate, pki.server.key, pki.ca.certificate});
  if (!tls) return tls.error();
  api::server_settings as;
  as.max_watches = static_cast<size_t>(settings.api.max_watches);
  as.default_watch_time = settings.api.watch_timeout;
  as.body_bytes = static_cast<uint64_t>(settings.api.max_body_bytes);
  as.server_address = settings.api.listen;
  as.access = std::make_shared<api::access_policy>(settings.access.rules);
  std::shared_ptr<api::token_file> file;
  if (!settings.access.token_file.empty()) {
    auto opened = api::token_file::open(settings.access.token_file);
    if (!opened) return opened.error();
    file = *opened;
  }
  auto now = [] { return wall_time{std::chrono::system_clock::now().time_since_epoch()}; };
  as.tokens = tokens;
  as.service_accounts = true;
  as.mount_tokens = true;
  as.find_account = [keys = tokens, seen = view, now](std::string_view token,
                                                      const std::vector<std::string>& audiences) {
    return api::user_of_token(*keys, *seen, token, now(), audiences);
  };
  as.find_token = [file, find = as.find_account](std::string_view token) {
    auto user = file ? file->find(token) : std::nullopt;
    return user ? user : find(token, {});
  };
  as.authenticate = api::certificate_authenticator(as.find_token);
  std::shared_ptr<api::pod_streams> streams = api::make_node_streams(loop, runtime->streams());
  api = std::make_unique<api::server>(
      api::server_parts{loop, system, env, *view, registry, streams, now,
                        api::make_node_usage(runtime->oci(), settings.node_name),
                        api::make_node_ports(loop, runtime->oci())},
      as);
  http = std::make_unique<http_server>(loop, api->handler(), limits_of(settings.api));
  http->set_gate(api->gate());
  http->set_refusal(api::server::refusal());
  auto listening = http->listen_tcp(ip, port, *tls);
  if (!listening) return listening.error();
  url = "https://" + (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":"
        + std::to_string(*listening);
  kubeconfig = settings.data_dir + "/kubeconfig";
  return write_private_file(kubeconfig,
                            kubeconfig_text(url, pki.ca.certificate, pki.admin.certificate, pki.admin.key));
}

/// No actor but these lives without somebody above it who would respawn it.
void engine::impl::watch_actors() {
  watch.on_failure([this](const caf::error& err) {
    spdlog::critical("{}; the containers run on and are adopted by the next start", message_of(err));
    client->give_up();
  });
  watch.watch(store, "store");
  watch.watch(registry, "registry");
  for (auto& [name, handle] : controllers)
    watch.watch(handle, name);
  watch.watch(runtime->containers(), "container runtime port");
  watch.watch(runtime->images(), "image service port");
  watch.watch(runtime->prober(), "probe executor port");
  watch.watch(runtime->volumes(), "volume manager port");
}

caf::error engine::impl::wait_for_node(const std::stop_token& stop_asked) {
  auto name = settings.node_name;
  auto registered = client->wait(std::chrono::seconds{60}, stop_asked, [&](const registry_view& v) {
    return static_cast<bool>(v.snapshot("nodes")->find("", name));
  });
  if (auto failed = watch.failure()) return failed;
  if (registered) return {};
  return make_error(errc::timeout, "the node did not register within 60 s");
}

caf::error engine::impl::start(const std::stop_token& stop_asked) {
  if (auto wrong = config::check_settings(settings)) return wrong;
  if (settings.node_name.empty()) settings.node_name = host_name();
  auto locked = data_dir_lock::take(settings);
  if (!locked) return locked.error();
  lock = std::make_unique<data_dir_lock>(std::move(*locked));
  auto made = node_runtime::start(system, env, loop, settings, stop_asked);
  if (!made) return made.error();
  runtime = std::move(*made);
  if (auto err = start_pki()) return err;
  if (auto err = start_store()) return err;
  start_actors();
  watch_actors();
  if (auto err = start_api()) return err;
  watch.watch(api->gateway(), "API gateway");
  auto err = wait_for_node(stop_asked);
  if (stop_asked.stop_requested() && !watch.failure())
    return make_error(errc::cancelled, "podium was asked to end while it started");
  return err;
}

void engine::impl::stop() {
  watch.disarm();
  if (http) {
    std::promise<void> closed;
    http->stop([&] { closed.set_value(); });
    closed.get_future().wait();
  }
  http.reset();
  api.reset();
  for (auto& [name, handle] : controllers)
    caf::anon_send_exit(handle, caf::exit_reason::user_shutdown);
  controllers.clear();
  node = nullptr;
  if (client) client->stop();
  if (runtime) runtime->stop_actors();
  for (auto ref : {caf::actor_cast<caf::actor>(registry), caf::actor_cast<caf::actor>(store)})
    if (ref) caf::anon_send_exit(ref, caf::exit_reason::user_shutdown);
  registry = nullptr;
  store = nullptr;
  system.await_all_actors_done();
  client.reset();
  runtime.reset();
  loop.stop();
}

engine::engine(std::unique_ptr<impl> parts) : impl_(std::move(parts)) {}

engine::~engine() = default;

caf::expected<std::unique_ptr<engine>> engine::start(config::settings settings, std::stop_token stop,
                                                     engine_hooks hooks) {
  auto parts = std::make_unique<impl>(std::move(settings), std::move(hooks));
  if (auto err = parts->start(stop)) return err;
  return std::unique_ptr<engine>(new engine(std::move(parts)));
}

const std::string& engine::api_url() const {
  return impl_->url;
}
const std::string& engine::kubeconfig_path() const {
  return impl_->kubeconfig;
}
const registry_actor& engine::registry() const {
  return impl_->registry;
}
const registry_view& engine::view() const {
  return *impl_->view;
}
caf::actor_system& engine::system() {
  return impl_->system;
}
wall_time engine::wall_now() const {
  return wall_time{std::chrono::system_clock::now().time_since_epoch()};
}

void engine::on_change(const std::string& resource, object_listener f) {
  impl_->client->on_change(resource, std::move(f));
}

void engine::on_failure(std::function<void(const caf::error&)> f) {
  impl_->watch.on_failure(std::move(f));
}

caf::error engine::failure() const {
  return impl_->watch.failure();
}

caf::expected<std::vector<object_key>> engine::apply(const std::string& path, std::stop_token stop) {
  return impl_->client->apply(path, stop);
}

bool engine::remove(const std::vector<object_key>& keys, nanoseconds limit, std::stop_token stop) {
  return impl_->client->remove(keys, limit, stop);
}

bool engine::remove_all_pods(nanoseconds limit, std::stop_token stop) {
  std::vector<object_key> keys;
  impl_->view->snapshot("pods")->each("", "", "", [&](const object_ref& pod) {
    keys.push_back(pod->key());
    return true;
  });
  if (!impl_->client->remove(keys, limit, stop)) return false;
  impl_->runtime->remove_traces(impl_->settings);
  return true;
}

void engine::remove_unused_network() {
  bool none = true;
  impl_->view->snapshot("pods")->each("", "", "", [&](const object_ref&) { return none = false; });
  if (none) impl_->runtime->remove_traces(impl_->settings);
}

} // namespace podium
