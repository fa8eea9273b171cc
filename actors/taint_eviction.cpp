#include "actors/taint_eviction.hpp"

#include "actors/placement.hpp"
#include "actors/registry_reflector.hpp"
#include "core/saturating.hpp"
#include "messages/disruption.hpp"
#include "messages/pod.hpp"

#include <algorithm>
#include <map>

namespace podium {

std::optional<nanoseconds> taint_rules::may_stay(const std::vector<toleration>& tolerations,
                                                 const std::vector<taint>& taints) {
  std::optional<nanoseconds> least;
  for (auto& t : taints) {
    if (t.effect != "NoExecute") continue;
    bool tolerated = false;
    for (auto& x : tolerations) {
      if (!placement::tolerates({x}, t)) continue;
      tolerated = true;
      if (!x.toleration_seconds) continue;
      auto time = bounded_period(*x.toleration_seconds);
      if (!least || time < *least) least = time;
    }
    if (!tolerated) return nanoseconds{0};
  }
  return least;
}

namespace {

using namespace std::chrono_literals;

constexpr auto request_timeout = 10s;
constexpr auto try_again = 1s;

class taint_eviction : public base_actor<taint_eviction_actor> {
public:
  taint_eviction(caf::actor_config& cfg, env_ptr actor_env, registry_actor registry,
                 event_recorder_actor recorder)
      : base_actor(cfg, std::move(actor_env), "taint-eviction"), registry_(std::move(registry)),
        recorder_(std::move(recorder)), node_watch_(*this, "nodes"), pod_watch_(*this, "pods") {}

protected:
  void on_start() override {
    taints_.clear();
    pods_.clear();
    node_watch_.start(
        registry_, [this](const object_list& all) { nodes_listed(all); },
        [this](const watch_event& event) {
          if (event.type == watch_type::deleted)
            taints_.erase(event.object->key().name);
          else
            node_seen(event.object);
        });
    pod_watch_.start(
        registry_, [this](const object_list& all) { pods_listed(all); },
        [this](const watch_event& event) {
          if (event.type == watch_type::deleted)
            forget(event.object->key());
          else
            pod_seen(event.object);
        });
  }
  void ended() override {
    node_watch_.stop();
    pod_watch_.stop();
    registry_ = nullptr;
    recorder_ = nullptr;
  }
  behavior_type handlers() override {
    return {[](const ack&) {}};
  }

private:
  /// A bound pod; `deadline` is set while it may stay for a time only, from `since` on.
  struct watched {
    object_ref pod;
    deadline_set::id deadline = 0;
    clock_time since, due;
    bool going = false; ///< its deletion was asked for
  };

  void nodes_listed(const object_list& all) {
    taints_.clear();
    for (auto& ref : all.items)
      node_seen(ref);
  }
  void node_seen(const object_ref& ref) {
    std::vector<taint> list;
    for (auto& t : ref->as_node().spec.taints)
      if (t.effect == "NoExecute") list.push_back(t);
    auto& name = ref->key().name;
    bool had = taints_.erase(name) > 0;
    if (list.empty() && !had) return;
    if (!list.empty()) taints_[name] = std::move(list);
    for (auto& [key, w] : pods_)
      if (w.pod->as_pod().spec.node_name == name) judge(w);
  }

  void pods_listed(const object_list& all) {
    std::map<object_key, object_ref> there;
    for (auto& ref : all.items)
      there.emplace(ref->key(), ref);
    std::vector<object_key> gone;
    for (auto& [key, w] : pods_)
      if (there.count(key) == 0) gone.push_back(key);
    for (auto& key : gone)
      forget(key);
    for (auto& [key, ref] : there)
      pod_seen(ref);
  }
  void pod_seen(const object_ref& ref) {
    if (ref->meta().deletion_timestamp || ref->as_pod().spec.node_name.empty()) return forget(ref->key());
    auto i = pods_.find(ref->key());
    if (i != pods_.end() && i->second.pod->uid() != ref->uid()) forget(ref->key());
    auto& w = pods_[ref->key()];
    w.pod = ref;
    judge(w);
  }
  void forget(const object_key& key) {
    auto i = pods_.find(key);
    if (i == pods_.end()) return;
    cancel(i->second.deadline);
    pods_.erase(i);
  }

  void judge(watched& w) {
    if (w.going) return;
    auto& spec = w.pod->as_pod().spec;
    auto i = taints_.find(spec.node_name);
    auto stay = i == taints_.end() ? std::nullopt : taint_rules::may_stay(spec.tolerations, i->second);
    if (!stay) {
      if (w.deadline) record(w, "Cancelling deletion of Pod " + w.pod->key().ns + "/" + w.pod->key().name);
      cancel(w.deadline);
      return;
    }
    // Who was given a time already keeps its beginning: a second taint does not give more of it.
    if (!w.deadline) w.since = now();
    auto due = w.since + *stay;
    if (w.deadline && w.due == due) return;
    cancel(w.deadline);
    w.due = due;
    if (due <= now()) return evict(w);
    w.deadline = at(due, [this, key = w.pod->key()] {
      auto found = pods_.find(key);
      if (found == pods_.end()) return;
      found->second.deadline = 0;
      evict(found->second);
    });
  }

  void evict(watched& w) {
    w.going = true;
    record(w, "Marking for deletion Pod " + w.pod->key().ns + "/" + w.pod->key().name);
    auto document = w.pod->document();
    mark_disrupted(document.as_object(), "DeletionByTaintManager",
                   "Taint manager: deleting due to NoExecute taint", wall_now());
    auto key = w.pod->key();
    auto uid = w.pod->uid();
    // The mark is for people to read: when another write comes between, the pod goes without it.
    ask(
        registry_, request_timeout, [this, key, uid](const object_ref&) { remove(key, uid); },
        [this, key, uid](const caf::error&) { remove(key, uid); },
        update_object{key, make_document(std::move(document)), update_part::status, uid,
                      w.pod->resource_version(), false});
  }

  void remove(const object_key& key, const std::string& uid) {
    delete_object request;
    request.key = key;
    request.uid = uid;
    ask(
        registry_, request_timeout, [](const delete_result&) {},
        [this, key, uid](const caf::error& err) {
          if (code_of(err) == errc::not_found || code_of(err) == errc::conflict) return;
          after(try_again, [this, key, uid] { remove(key, uid); });
        },
        std::move(request));
  }

  void record(const watched& w, std::string message) {
    if (!recorder_) return;
    record_event event;
    event.involved = w.pod->key();
    event.kind = "Pod";
    event.uid = w.pod->uid();
    event.type = "Normal";
    event.reason = "TaintManagerEviction";
    event.message = std::move(message);
    event.component = "taint-eviction-controller";
    this->send(recorder_, std::move(event));
  }

  registry_actor registry_;
  event_recorder_actor recorder_;
  registry_reflector<taint_eviction> node_watch_, pod_watch_;
  std::map<std::string, std::vector<taint>> taints_; ///< NoExecute ones, of nodes that have any
  std::map<object_key, watched> pods_;
};

} // namespace

taint_eviction_actor spawn_taint_eviction(caf::actor_system& system, env_ptr env, registry_actor registry,
                                          event_recorder_actor recorder) {
  return system.spawn<taint_eviction>(std::move(env), std::move(registry), std::move(recorder));
}

} // namespace podium
