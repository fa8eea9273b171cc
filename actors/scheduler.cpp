#include "actors/scheduler.hpp"

#include "actors/claim_watch.hpp"
#include "actors/pod_rules.hpp"
#include "actors/registry_reflector.hpp"
#include "actors/scheduler_queue.hpp"
#include "actors/scheduling_rules.hpp"

namespace podium {
namespace {

using namespace std::chrono_literals;

constexpr auto request_timeout = 10s;
constexpr nanoseconds unschedulable_timeout = 5min;
constexpr size_t max_binds = 256, max_per_turn = 256;

class scheduler : public base_actor<scheduler_actor> {
public:
  scheduler(caf::actor_config& cfg, env_ptr actor_env, registry_actor registry, event_recorder_actor recorder)
      : base_actor(cfg, std::move(actor_env), "scheduler"), registry_(std::move(registry)),
        recorder_(std::move(recorder)), random_(env()->stream("scheduler")), node_watch_(*this, "nodes"),
        pod_watch_(*this, "pods"), claims_(*this) {}

protected:
  /// Everything but the counters is seen anew in the registry.
  void on_start() override {
    nodes_.clear();
    pods_.clear();
    nodes_known_ = pods_known_ = turn_pending_ = false;
    binds_ = 0;
    alarm_ = 0;
    node_watch_.start(
        registry_, [this](const object_list& all) { list_nodes(all); },
        [this](const watch_event& e) {
          e.type == watch_type::deleted ? drop_node(e.object->key().name) : see_node(e.object);
        });
    claims_.start(registry_, [this] { claims_changed(); });
    pod_watch_.start(
        registry_, [this](const object_list& all) { list_pods(all); },
        [this](const watch_event& e) {
          e.type == watch_type::deleted ? forget(e.object->key()) : see_pod(e.object);
        });
  }

  void ended() override {
    claims_.stop();
    node_watch_.stop();
    pod_watch_.stop();
    registry_ = nullptr;
    recorder_ = nullptr;
  }

  behavior_type handlers() override {
    return {[this](const get_scheduler_stats&) {
      auto backing = pods_.timed().size() - pods_.unschedulable().size();
      return scheduler_stats{bound_, pods_.unschedulable().size(), pods_.active() + backing};
    }};
  }

private:
  // -- what is seen

  void list_nodes(const object_list& all) {
    std::set<std::string> there;
    for (auto& ref : all.items)
      there.insert(ref->key().name);
    std::vector<std::string> gone;
    for (auto& n : nodes_.all())
      if (!there.count(n.name)) gone.push_back(n.name);
    for (auto& name : gone)
      drop_node(name);
    nodes_known_ = true;
    for (auto& ref : all.items)
      see_node(ref);
    take_turn();
  }

  void see_node(const object_ref& ref) {
    auto& name = ref->key().name;
    auto fresh = !nodes_.find(name);
    if (!nodes_.put(ref->as_node())) return;
    if (fresh)
      for (auto& [key, p] : pods_.all())
        if (p.node == name) nodes_.add(name, p.wants);
    room_on(name);
  }

  void drop_node(const std::string& name) { nodes_.erase(name); }

  void list_pods(const object_list& all) {
    std::set<object_key> there;
    for (auto& ref : all.items)
      there.insert(ref->key());
    std::vector<object_key> gone;
    for (auto& [key, p] : pods_.all())
      if (!there.count(key)) gone.push_back(key);
    for (auto& key : gone)
      forget(key);
    pods_known_ = true;
    for (auto& ref : all.items)
      see_pod(ref);
    take_turn();
  }

  void see_pod(const object_ref& ref) {
    auto& key = ref->key();
    auto& spec = ref->as_pod();
    auto* known = pods_.find(key);
    // Late news: what is known is newer.
    if (known && ref->resource_version() < known->latest->resource_version()) return;
    if (known && known->latest->uid() != ref->uid()) {
      forget(key);
      known = nullptr;
    }
    if (terminal(spec)) return forget(key);
    if (!spec.spec.node_name.empty()) return see_placed(ref, known);
    if (!ours(spec) || ref->meta().deletion_timestamp || gated(*ref)) {
      // One that is being bound stays counted until the answer comes.
      if (!known || known->place != pod_place::assumed) forget(key);
      return;
    }
    if (!known) {
      auto& fresh = pods_.add(key, {ref, wants_of(*ref), {}, {}, ++arrivals_, 0, {}, {}, {}});
      pods_.move(key, fresh, pod_place::active);
      return take_turn();
    }
    see_waiting(ref, *known);
  }

  void see_waiting(const object_ref& ref, scheduled_pod& known) {
    auto changed = known.latest->meta().generation != ref->meta().generation;
    known.latest = ref;
    if (known.place == pod_place::assumed) return;
    if (changed) {
      auto place = known.place;
      pods_.move(ref->key(), known, pod_place::placed); // out of the lists while its order may change
      known.wants = wants_of(*ref);
      pods_.move(ref->key(), known, place);
      if (place == pod_place::unschedulable) wake(ref->key(), known);
    }
    // The condition that was written did not arrive, or somebody overwrote it.
    auto* shown = scheduled_condition(ref->as_pod());
    if (known.place == pod_place::unschedulable && !known.failure.empty()
        && (!shown || shown->message != known.failure))
      show_failure(known);
  }

  void see_placed(const object_ref& ref, scheduled_pod* known) {
    auto& key = ref->key();
    auto& node = ref->as_pod().spec.node_name;
    if (!known) {
      // Filters ask where a pod may go; one that is there already wants no node by name.
      known = &pods_.add(key, {ref, wants_of(*ref), {}, {}, ++arrivals_, 0, {}, {}, {}});
    } else if (known->node == node) {
      if (known->place == pod_place::assumed) confirm(key, *known);
      known->latest = ref;
      return;
    } else if (!known->node.empty()) {
      leave_node(*known);
    }
    known->latest = ref;
    pods_.move(key, *known, pod_place::placed);
    known->node = node;
    nodes_.add(node, known->wants);
  }

  void forget(const object_key& key) {
    auto* known = pods_.find(key);
    if (!known) return;
    auto node = known->node;
    if (!node.empty()) nodes_.remove(node, known->wants);
    pods_.erase(key);
    if (!node.empty()) room_on(node);
  }

  void leave_node(scheduled_pod& p) {
    auto node = std::exchange(p.node, {});
    nodes_.remove(node, p.wants);
    room_on(node);
  }

  // -- who is next

  /// Something changed for the better on a node: who fits there now is tried again.
  void room_on(const std::string& name) {
    auto* node = nodes_.find(name);
    if (!node) return;
    std::vector<object_key> helped;
    for (auto& key : pods_.unschedulable())
      if (auto* p = pods_.find(key); !p->claims_wait && placement::fits(p->wants, *node))
        helped.push_back(key);
    for (auto& key : helped)
      wake(key, *pods_.find(key));
  }

  /// Pods that wait for their claims are looked at again, without a back-off: each change is news.
  void claims_changed() {
    std::vector<object_key> waiting;
    for (auto& key : pods_.unschedulable())
      if (pods_.find(key)->claims_wait) waiting.push_back(key);
    for (auto& key : waiting) {
      auto& p = *pods_.find(key);
      auto verdict = claims_.judge(*p.latest);
      if (verdict.waits && claim_failure(verdict) == p.failure) continue;
      p.claims_wait = false;
      p.retry_at = now();
      wake(key, p);
    }
  }

  /// What is said of a pod whose claims keep it; "" when there is nothing to say yet.
  std::string claim_failure(const volume_rules::claim_verdict& verdict) const {
    if (verdict.failure.empty()) return {};
    auto count = std::to_string(nodes_.all().size());
    auto available = "0/" + count + " nodes are available: ";
    return available + verdict.failure + ". preemption: " + available + count
           + " Preemption is not helpful for scheduling.";
  }

  /// Whether a pod on a node, or on its way there, has one of the claims. Source: the plugin
  /// VolumeRestrictions. Few claims are of this mode: no index is kept.
  bool taken(const std::vector<object_key>& claims) const {
    return !claims.empty() && std::any_of(pods_.all().begin(), pods_.all().end(), [&](auto& entry) {
      return !entry.second.node.empty() && std::any_of(claims.begin(), claims.end(), [&](auto& claim) {
        return volume_rules::uses_claim(*entry.second.latest, claim);
      });
    });
  }

  std::string taken_failure() const {
    auto count = std::to_string(nodes_.all().size());
    auto available = "0/" + count + " nodes are available: " + count + " ";
    return available
           + "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode."
             " preemption: "
           + available + "No preemption victims found for incoming pod.";
  }

  bool claims_keep(const object_key& key, scheduled_pod& p) {
    auto verdict = claims_.judge(*p.latest);
    p.wants.volumes = std::move(verdict.nodes);
    if (!verdict.waits && taken(verdict.alone)) {
      not_placed(key, p, taken_failure());
      return true;
    }
    if (!verdict.waits) return false;
    p.claims_wait = true;
    not_placed(key, p, claim_failure(verdict));
    return true;
  }

  void wake(const object_key& key, scheduled_pod& p) {
    if (now() >= p.retry_at) {
      pods_.move(key, p, pod_place::active);
      take_turn();
    } else {
      pods_.move(key, p, pod_place::backing_off);
      set_alarm();
    }
  }

  /// One deadline for all that wait for a time.
  void set_alarm() {
    cancel(alarm_);
    if (pods_.timed().empty()) return;
    alarm_ = at(pods_.timed().begin()->first, [this] {
      alarm_ = 0;
      while (!pods_.timed().empty() && pods_.timed().begin()->first <= now()) {
        auto key = pods_.timed().begin()->second;
        pods_.move(key, *pods_.find(key), pod_place::active);
      }
      take_turn();
      set_alarm();
    });
  }

  /// Schedules soon: after the messages at hand, so that priority decides among what came together.
  void take_turn() {
    if (std::exchange(turn_pending_, true)) return;
    after(0s, [this] {
      turn_pending_ = false;
      schedule();
    });
  }

  void schedule() {
    if (!nodes_known_ || !pods_known_) return;
    for (size_t n = 0; n < max_per_turn && binds_ < max_binds; ++n) {
      auto* next = pods_.next();
      if (!next) return;
      auto key = *next;
      place(key, *pods_.find(key));
    }
    if (pods_.active() > 0 && binds_ < max_binds) take_turn();
  }

  // -- placing

  void place(const object_key& key, scheduled_pod& p) {
    if (claims_keep(key, p)) return;
    auto found = placement::choose(p.wants, nodes_.all(), start_, random_);
    if (!nodes_.all().empty()) start_ = (start_ + found.examined) % nodes_.all().size();
    if (found.node == SIZE_MAX) return not_placed(key, p, placement::failure_message(p.wants, nodes_.all()));
    p.node = nodes_.all()[found.node].name;
    nodes_.add(p.node, p.wants);
    pods_.move(key, p, pod_place::assumed);
    bind(key, p);
  }

  void bind(const object_key& key, const scheduled_pod& p) {
    ++binds_;
    ask(
        registry_, request_timeout,
        [this, key, uid = p.latest->uid()](const object_ref&) {
          bind_ended();
          if (auto* known = assumed(key, uid)) confirm(key, *known);
        },
        [this, key, uid = p.latest->uid()](const caf::error& err) {
          bind_ended();
          if (auto* known = assumed(key, uid)) bind_failed(key, *known, err);
        },
        bind_pod{key.ns, key.name, p.latest->uid(), p.node});
  }

  void bind_ended() {
    --binds_;
    if (pods_.active() > 0) take_turn();
  }

  scheduled_pod* assumed(const object_key& key, const std::string& uid) {
    auto* known = pods_.find(key);
    return known && known->place == pod_place::assumed && known->latest->uid() == uid ? known : nullptr;
  }

  void confirm(const object_key& key, scheduled_pod& p) {
    ++bound_;
    pods_.move(key, p, pod_place::placed);
    say(key, p, "Normal", "Scheduled", "Successfully assigned " + key.ns + '/' + key.name + " to " + p.node);
  }

  void bind_failed(const object_key& key, scheduled_pod& p, const caf::error& err) {
    auto code = code_of(err);
    p.retry_at = now() + scheduling_back_off(++p.attempts);
    if (code == errc::timeout || code == errc::unavailable) {
      // It may have been bound all the same: only the same node again is safe.
      at(p.retry_at, [this, key, uid = p.latest->uid()] {
        if (auto* known = assumed(key, uid)) bind(key, *known);
      });
      return;
    }
    if (code == errc::not_found) return forget(key);
    pods_.move(key, p, pod_place::backing_off);
    leave_node(p);
    set_alarm();
  }

  void not_placed(const object_key& key, scheduled_pod& p, std::string why) {
    p.retry_at = now() + scheduling_back_off(++p.attempts);
    p.give_up_at = now() + unschedulable_timeout;
    p.failure = std::move(why);
    pods_.move(key, p, pod_place::unschedulable);
    set_alarm();
    if (p.failure.empty()) return; // it waits for a volume that is on its way
    show_failure(p);
    say(key, p, "Warning", "FailedScheduling", p.failure);
  }

  /// If the write gets lost, the next look at the pod repeats it.
  void show_failure(const scheduled_pod& p) {
    auto status = unschedulable_status(*p.latest, p.failure, wall_now());
    if (!status) return;
    ask(
        registry_, request_timeout, [](const object_ref&) {}, [](const caf::error&) {},
        put_status{p.latest->key(), p.latest->uid(), make_document(std::move(*status))});
  }

  void say(const object_key& key, const scheduled_pod& p, std::string type, std::string reason,
           std::string message) {
    if (!recorder_) return;
    send(recorder_, record_event{key, "Pod", p.latest->uid(), "", std::move(type), std::move(reason),
                                 std::move(message), scheduler_name, ""});
  }

  registry_actor registry_;
  event_recorder_actor recorder_;
  random_stream random_;
  registry_reflector<scheduler> node_watch_, pod_watch_;
  claim_watch<scheduler> claims_;
  node_table nodes_;
  pod_table pods_;
  bool nodes_known_ = false, pods_known_ = false, turn_pending_ = false;
  size_t binds_ = 0, start_ = 0;
  deadline_set::id alarm_ = 0;
  uint64_t arrivals_ = 0, bound_ = 0;
};

} // namespace

scheduler_actor spawn_scheduler(caf::actor_system& system, env_ptr env, registry_actor registry,
                                event_recorder_actor recorder) {
  return system.spawn<scheduler>(std::move(env), std::move(registry), std::move(recorder));
}

} // namespace podium
