#include "actors/pod_collector.hpp"

#include "actors/registry_reflector.hpp"
#include "messages/disruption.hpp"
#include "messages/pod.hpp"

#include <map>
#include <set>

namespace podium {

boost::json::value collector_rules::orphaned(boost::json::value pod, wall_time now) {
  auto& document = pod.as_object();
  mark_disrupted(document, "DeletionByPodGC", "PodGC: node no longer exists", now);
  auto& phase = document["status"].as_object()["phase"];
  auto* text = phase.if_string();
  if (!text || (*text != "Succeeded" && *text != "Failed")) phase = "Failed";
  return pod;
}

namespace {

using namespace std::chrono_literals;

constexpr auto request_timeout = 10s;
constexpr auto try_again = 1s;

class pod_collector : public base_actor<pod_collector_actor> {
public:
  pod_collector(caf::actor_config& cfg, env_ptr actor_env, registry_actor registry)
      : base_actor(cfg, std::move(actor_env), "pod-collector"), registry_(std::move(registry)),
        node_watch_(*this, "nodes"), pod_watch_(*this, "pods") {}

protected:
  void on_start() override {
    nodes_.clear();
    pods_.clear();
    missing_.clear();
    node_watch_.start(
        registry_, [this](const object_list& all) { nodes_listed(all); },
        [this](const watch_event& event) {
          auto& name = event.object->key().name;
          event.type == watch_type::deleted ? node_gone(name) : node_there(name);
        });
    pod_watch_.start(
        registry_,
        [this](const object_list& all) {
          pods_.clear();
          for (auto& ref : all.items)
            pod_seen(ref);
        },
        [this](const watch_event& event) {
          if (event.type == watch_type::deleted)
            pods_.erase(event.object->key());
          else
            pod_seen(event.object);
        });
  }
  void ended() override {
    node_watch_.stop();
    pod_watch_.stop();
    registry_ = nullptr;
  }
  behavior_type handlers() override {
    return {[](const ack&) {}};
  }

private:
  void nodes_listed(const object_list& all) {
    nodes_.clear();
    for (auto& ref : all.items)
      node_there(ref->key().name);
    for (auto& [key, ref] : pods_)
      suspect(ref->as_pod().spec.node_name);
  }
  void node_there(const std::string& name) {
    nodes_.insert(name);
    auto i = missing_.find(name);
    if (i == missing_.end()) return;
    cancel(i->second);
    missing_.erase(i);
  }
  void node_gone(const std::string& name) {
    nodes_.erase(name);
    for (auto& [key, ref] : pods_)
      if (ref->as_pod().spec.node_name == name) return suspect(name);
  }
  void pod_seen(const object_ref& ref) {
    auto& node = ref->as_pod().spec.node_name;
    if (node.empty()) return;
    pods_[ref->key()] = ref;
    suspect(node);
  }

  /// A node that is missing may only be late: it has its time, which more pods do not prolong.
  void suspect(const std::string& node) {
    if (nodes_.contains(node) || missing_.contains(node)) return;
    missing_[node] = after(collector_rules::quarantine, [this, node] { make_sure(node); });
  }

  /// The two watches are not in step, and a list may be old: the registry itself is asked before anything is
  /// taken away.
  void make_sure(const std::string& node) {
    auto i = missing_.find(node);
    if (i == missing_.end()) return;
    i->second = 0;
    ask(
        registry_, request_timeout,
        [this, node](const object_list& all) {
          if (missing_.erase(node) == 0) return;
          for (auto& ref : all.items)
            if (ref->key().name == node) return;
          collect(node);
        },
        [this, node](const caf::error&) { after(try_again, [this, node] { make_sure(node); }); },
        list_objects{"nodes", ""});
  }

  void collect(const std::string& node) {
    for (auto& [key, ref] : pods_)
      if (ref->as_pod().spec.node_name == node) mark(ref);
  }

  void mark(const object_ref& pod) {
    auto key = pod->key();
    auto uid = pod->uid();
    // The mark is for people to read: when another write comes between, the pod goes without it.
    ask(
        registry_, request_timeout, [this, key, uid](const object_ref&) { remove(key, uid); },
        [this, key, uid](const caf::error&) { remove(key, uid); },
        update_object{key, make_document(collector_rules::orphaned(pod->document(), wall_now())),
                      update_part::status, uid, pod->resource_version(), false});
  }

  void remove(const object_key& key, const std::string& uid) {
    delete_object request;
    request.key = key;
    request.uid = uid;
    request.grace_seconds = 0;
    ask(
        registry_, request_timeout, [](const delete_result&) {},
        [this, key, uid](const caf::error& err) {
          if (code_of(err) == errc::not_found || code_of(err) == errc::conflict) return;
          after(try_again, [this, key, uid] { remove(key, uid); });
        },
        std::move(request));
  }

  registry_actor registry_;
  registry_reflector<pod_collector> node_watch_, pod_watch_;
  std::set<std::string> nodes_;
  std::map<object_key, object_ref> pods_;           ///< those that are bound
  std::map<std::string, deadline_set::id> missing_; ///< nodes that pods name; 0 while the registry is asked
};

} // namespace

pod_collector_actor spawn_pod_collector(caf::actor_system& system, env_ptr env, registry_actor registry) {
  return system.spawn<pod_collector>(std::move(env), std::move(registry));
}

} // namespace podium
