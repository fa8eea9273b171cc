// A whole API server on loopback: real registry, memory store, real HTTP and TLS; and kubectl to talk to it.
#pragma once
#include "actors/registry.hpp"
#include "api/server.hpp"
#include "core/base_actor.hpp"
#include "runtime/http/client.hpp"
#include "runtime/http/pki.hpp"
#include "runtime/store/memory_store.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <future>

namespace podium::test {

namespace json = boost::json;
using namespace std::chrono_literals;

struct system_config : caf::actor_system_config {
  system_config() { set("scheduler.policy", caf::atom("sharing")); }
};

inline nanoseconds epoch_offset() {
  return std::chrono::system_clock::now().time_since_epoch()
         - std::chrono::steady_clock::now().time_since_epoch();
}

/// What a request gave.
struct reply {
  int status = 0;
  std::string body;
  http_headers headers;
  json::value json() const {
    boost::system::error_code ec;
    auto v = json::parse(body, ec);
    return ec ? json::value() : v;
  }
  /// The text at a JSON pointer; numbers as they print, "" when nothing is there.
  std::string at(std::string_view pointer) const { return text_at(json(), pointer); }
  static std::string text_at(const json::value& v, std::string_view pointer) {
    boost::system::error_code ec;
    auto* found = v.find_pointer(pointer, ec);
    if (!found || ec) return {};
    return found->is_string() ? std::string(found->get_string()) : json::serialize(*found);
  }
};

class api_world {
public:
  explicit api_world(std::shared_ptr<api::pod_streams> streams = nullptr, api::server_settings settings = {},
                     size_t history = 10'000,
                     const std::function<std::shared_ptr<api::usage_source>(event_loop&)>& usage = {},
                     std::shared_ptr<api::pod_ports> ports = nullptr)
      : view(std::make_shared<registry_view>(history)) {
    env = std::make_shared<actor_env>(7, epoch_offset());
    registry = spawn_registry(system, env, {spawn_memory_store(system, env), view, {}});
    settings.authenticate = [certificates = api::certificate_authenticator()](
                                const http_request& r) -> std::optional<api::user_info> {
      if (!r.peer.tls) return api::user_info{"tester", "", {"system:masters"}};
      return certificates(r);
    };
    server.emplace(api::server_parts{loop, system, env, *view, registry, std::move(streams),
                                     [e = env] { return e->epoch.at(std::chrono::steady_clock::now()); },
                                     usage ? usage(loop) : nullptr, std::move(ports)},
                   std::move(settings));
    http.emplace(loop, server->handler());
    http->set_gate(server->gate());
    http->set_refusal(api::server::refusal());
    port = *http->listen_tcp("127.0.0.1", 0);
    client.emplace(loop);
    wait_for_namespaces();
  }
  ~api_world() {
    client.reset();
    server.reset();
    std::promise<void> stopped;
    http->stop([&] { stopped.set_value(); });
    stopped.get_future().wait();
    http.reset();
    caf::anon_send_exit(registry, caf::exit_reason::user_shutdown);
    registry = nullptr;
    loop.stop();
  }

  reply send(std::string method, const std::string& path, std::string body = {}, header_list headers = {}) {
    http_fetch fetch;
    fetch.method = std::move(method);
    fetch.url = "http://127.0.0.1:" + std::to_string(port) + path;
    fetch.body = std::move(body);
    fetch.headers = std::move(headers);
    return fetch_it(std::move(fetch));
  }
  reply fetch_it(http_fetch fetch) {
    auto answered = std::make_shared<std::promise<reply>>();
    auto shared = std::make_shared<http_fetch>(std::move(fetch));
    loop.post([this, answered, shared] {
      client->send(std::move(*shared), [answered](caf::expected<http_reply> r) {
        if (r)
          answered->set_value({r->status, r->body, r->headers});
        else
          answered->set_value({0, message_of(r.error()), {}});
      });
    });
    return answered->get_future().get();
  }
  reply get(const std::string& path, const std::string& accept = "application/json") {
    return send("GET", path, {}, {{"Accept", accept}});
  }
  reply post(const std::string& path, std::string body) {
    return send("POST", path, std::move(body), {{"Content-Type", "application/json"}});
  }
  reply patch(const std::string& path, const std::string& kind, std::string body) {
    return send("PATCH", path, std::move(body), {{"Content-Type", "application/" + kind + "+json"}});
  }
  reply put(const std::string& path, std::string body) {
    return send("PUT", path, std::move(body), {{"Content-Type", "application/json"}});
  }

  /// A pod that is bound to n1, and whose containers run.
  void make_running_pod(const std::string& name) {
    auto made = post(pods, pod_text(name));
    BOOST_REQUIRE_MESSAGE(made.status == 201, made.body);
    auto bound =
        post(pods + "/" + name + "/binding", R"({"kind":"Binding","apiVersion":"v1","metadata":{"name":")"
                                                 + name + R"("},"target":{"kind":"Node","name":"n1"}})");
    BOOST_REQUIRE_MESSAGE(bound.status == 201, bound.body);
    auto set = patch(pods + "/" + name + "/status", "merge-patch",
                     R"({"status":{"phase":"Running","podIP":"10.0.0.9",
      "podIPs":[{"ip":"10.0.0.9"}],"conditions":[{"type":"Ready","status":"True"}],
      "containerStatuses":[{"name":"c","ready":true,"restartCount":0,"image":"busybox","imageID":"",
      "state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}}]}})");
    BOOST_REQUIRE_MESSAGE(set.status == 200, set.body);
  }
  static std::string pod_text(const std::string& name, const std::string& labels = "{}") {
    return R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":")" + name + R"(","labels":)" + labels
           + R"(},"spec":{"containers":[{"name":"c","image":"busybox"}]}})";
  }

  const std::string pods = "/api/v1/namespaces/default/pods";
  system_config config;
  caf::actor_system system{config};
  env_ptr env;
  event_loop loop;
  std::shared_ptr<registry_view> view;
  registry_actor registry;
  std::optional<api::server> server;
  std::optional<http_server> http;
  std::optional<http_client> client;
  uint16_t port = 0;

private:
  /// The registry makes its first namespaces when its store is read.
  void wait_for_namespaces() {
    caf::scoped_actor self{system};
    bool there = false;
    self->request(registry, 10s,
                  create_object{{"pods", "default", "first"}, make_document(json::object{}), true})
        .receive([&](const object_ref&) { there = true; }, [](caf::error&) {});
    BOOST_REQUIRE(there);
  }
};

} // namespace podium::test
