#include "actors/node.hpp"

#include "actors/container_order.hpp"
#include "actors/container_rules.hpp"
#include "actors/image_collector.hpp"
#include "actors/image_puller.hpp"
#include "actors/object_follower.hpp"
#include "actors/pod.hpp"
#include "actors/pod_rules.hpp"
#include "core/utf8.hpp"

namespace podium {
node_agent::node_agent(caf::actor_config& cfg, node_context ctx, std::string path)
    : base_actor(cfg, ctx.env, std::move(path)), ctx_(std::move(ctx)), node_watch_(*this, "nodes") {}

void node_agent::on_start() {
  if (!up_) ctx_.started_at = now();
  sweep_ = true;
  for (auto& [uid, e] : pods_)
    e.publishing = e.storing = e.judging = false;
  forgetting_ = 0;
  for (auto& w : waiters_)
    w.looked = false;
  load_machine();
}

void node_agent::ended() {
  node_watch_.stop();
  puller_ = nullptr;
  follower_ = nullptr;
  collector_ = nullptr;
  pods_.clear();
  dismiss_waiters();
  shared_.reset();
}

node_agent::behavior_type node_agent::handlers() {
  return {[this](const pod_report& report) { take_report(report); },
          [this](const follow_objects& wish) { return this->delegate(follower_, wish); },
          [this](const ensure_image& request) { return this->delegate(puller_, request); },
          [this](const forget_images& request) { return this->delegate(puller_, request); },
          [this](const collect_images& now) {
            if (collector_) this->send(collector_, now);
          },
          [this](const get_node_stats&) { return node_stats{pods_.size()}; },
          [this](const await_removals&) { return await_removed(); }};
}

// -- coming up
// --------------------------------------------------------------------------------------------------------

void node_agent::retry(void (node_agent::*step)()) {
  after(std::chrono::seconds{1}, [this, step] { (this->*step)(); });
}

void node_agent::load_machine() {
  ask(
      ctx_.runtime, ctx_.settings.request_timeout,
      [this](const machine_facts& facts) {
        ctx_.machine = facts;
        ctx_.machine.allocatable["pods"] = ctx_.machine.capacity["pods"] =
            std::to_string(ctx_.settings.max_pods);
        if (!shared_) shared_ = std::make_shared<const node_context>(ctx_);
        spawn_image_actors();
        if (!follower_) spawn_follower();
        register_node();
        follow_own_node();
        if (up_)
          list_pods();
        else
          load_memories();
      },
      [this](const caf::error&) { retry(&node_agent::load_machine); }, get_machine_facts{});
}

void node_agent::spawn_follower() {
  follower_ = this->spawn<object_follower>(shared_, path() + "/objects");
  adopt_child(follower_, [this](const caf::error&) {
    spawn_follower();
    // The new one knows nobody yet: a pod that hears of its own version again says what it follows.
    for (auto& [uid, e] : pods_)
      if (e.actor) this->send(e.actor, pod_update{e.object, e.removed});
  });
}

// Also for one of them that ended: its end is what calls again.
void node_agent::spawn_image_actors() {
  if (!puller_) {
    puller_ = this->spawn<image_puller>(shared_, caf::actor_cast<node_actor>(this), path() + "/images");
    adopt_child(puller_, [this](const caf::error&) {
      puller_ = nullptr;
      spawn_image_actors();
    });
  }
  if (!collector_) {
    collector_ = this->spawn<image_collector>(shared_, path() + "/image-collector");
    adopt_child(collector_, [this](const caf::error&) {
      collector_ = nullptr;
      spawn_image_actors();
    });
  }
}

void node_agent::load_memories() {
  ask(
      ctx_.store, ctx_.settings.request_timeout,
      [this](const store_rows& rows) {
        for (auto& row : rows.rows) {
          boost::system::error_code ec;
          auto document = boost::json::parse(row.value, ec);
          if (!ec) from_json(document, memories_[row.key.substr(memory_rows.size())]);
        }
        load_records();
      },
      [this](const caf::error&) { retry(&node_agent::load_memories); },
      store_range{std::string{memory_rows}});
}

void node_agent::load_records() {
  ask(
      ctx_.runtime, ctx_.settings.request_timeout,
      [this](const runtime_records& records) {
        auto containers = records.containers;
        std::sort(containers.begin(), containers.end(), [](auto& a, auto& b) { return a.key < b.key; });
        for (auto& c : containers)
          adopt_record(memories_[c.key.pod_uid].containers[c.key.name], c,
                       round_of(memories_[c.key.pod_uid], c.key.name));
        // Of a sandbox that is no more (the machine was booted anew) nothing is shown.
        for (auto& [uid, m] : memories_) {
          orphans_.insert(uid);
          m.pod_ip.clear();
        }
        for (auto& s : records.sandboxes) {
          memories_[s.pod_uid].pod_ip = s.info.lost.empty() ? address_of(s.info, ctx_.machine) : "";
          orphans_.insert(s.pod_uid);
        }
        list_pods();
      },
      [this](const caf::error&) { retry(&node_agent::load_records); }, list_runtime{});
}

void node_agent::list_pods() {
  ask(
      ctx_.registry, ctx_.settings.request_timeout, [this](const object_list& list) { take_list(list); },
      [this](const caf::error&) { retry(&node_agent::list_pods); }, list_objects{"pods", ""});
}

void node_agent::take_list(const object_list& list) {
  compare_with(list);
  up_ = true;
  // Each that fails is tried again by itself.
  if (std::exchange(sweep_, false)) remove_orphans();
  relist_at_ = now() + ctx_.settings.resync;
  watch_pods(list.resource_version);
  look_for_waiters();
}

void node_agent::compare_with(const object_list& list) {
  std::set<std::string> seen;
  for (auto& ref : list.items) {
    if (ref->as_pod().spec.node_name != ctx_.settings.node_name) continue;
    seen.insert(ref->uid());
    take_pod(ref);
  }
  std::vector<std::string> lost;
  for (auto& [uid, e] : pods_)
    if (!seen.contains(uid)) lost.push_back(uid);
  for (auto& uid : lost)
    lose_pod(uid);
}

void node_agent::watch_pods(uint64_t since) {
  // The safety net: every pod is told again what the registry has of it.
  if (now() >= relist_at_) return list_pods();
  ask(
      ctx_.registry, ctx_.settings.resync,
      [this](const watch_batch& batch) {
        for (auto& event : batch.events) {
          if (event.object->as_pod().spec.node_name != ctx_.settings.node_name) continue;
          if (event.type == watch_type::deleted)
            lose_pod(event.object->uid());
          else
            take_pod(event.object);
        }
        watch_pods(batch.resource_version);
      },
      [this, since](const caf::error& err) {
        if (code_of(err) == errc::timeout)
          watch_pods(since);
        else
          retry(&node_agent::list_pods);
      },
      watch_next{"pods", since, 500});
}

// -- pods
// -------------------------------------------------------------------------------------------------------------

void node_agent::take_pod(const object_ref& object) {
  auto& uid = object->uid();
  orphans_.erase(uid);
  auto [i, fresh] = pods_.try_emplace(uid);
  auto& e = i->second;
  if (!fresh && e.object->resource_version() > object->resource_version()) return;
  // A finished pod that is deleted has its records to remove first: its actor will say when.
  bool ends_now = object->meta().deletion_timestamp && e.object && !e.object->meta().deletion_timestamp;
  if (ends_now && e.actor) e.terminated = false;
  e.object = object;
  if (!fresh) {
    if (e.actor) this->send(e.actor, pod_update{object, e.removed});
    if (e.terminated) return finish(uid);
    // It waited at the door of an actor that has begun anew since.
    if (!e.actor && !e.judging) judge(uid);
    return;
  }
  if (auto known = memories_.extract(uid)) {
    e.memory = std::move(known.mapped());
  } else if (terminal(object->as_pod())) {
    // It ended before this daemon's memory, or was rejected: there is nothing to run, and its status says
    // why.
    e.rejected = e.terminated = true;
    return finish(uid);
  } else if (auto fault = admit(*object)) {
    return reject(e, fault);
  } else {
    return judge(uid);
  }
  spawn_pod(uid);
}

void node_agent::lose_pod(const std::string& uid) {
  auto i = pods_.find(uid);
  if (i == pods_.end()) return;
  auto& e = i->second;
  e.removed = true;
  if (!e.actor) return finish(uid);
  // Also a finished pod has something to remove: its records and logs.
  e.terminated = false;
  this->send(e.actor, pod_update{e.object, true});
}

void node_agent::spawn_pod(const std::string& uid) {
  auto& e = pods_[uid];
  e.judging = false;
  auto& key = e.object->key();
  e.actor = this->spawn<pod_supervisor>(shared_, path() + "/" + key.ns + "/" + key.name,
                                        caf::actor_cast<node_actor>(this), e.object, e.removed, e.memory);
  adopt_child(e.actor, [this, uid](const caf::error&) {
    if (auto again = pods_.find(uid); again != pods_.end()) {
      again->second.actor = nullptr;
      spawn_pod(uid);
    }
  });
}

void node_agent::take_report(const pod_report& report) {
  auto i = pods_.find(report.uid);
  if (i == pods_.end()) return;
  auto& e = i->second;
  if (!report.memory) {
    if (e.actor) this->send(e.actor, pod_update{e.object, e.removed});
    return;
  }
  e.memory = *report.memory.ptr;
  e.status = report.status;
  // One that crossed with the news of the deletion speaks of an end that keeps its records.
  bool deleted = e.removed || e.object->meta().deletion_timestamp;
  e.terminated = report.terminated && (report.deleting || !deleted);
  remember(report.uid);
  publish(report.uid);
}

void node_agent::publish(const std::string& uid) {
  auto& e = pods_[uid];
  if (e.publishing) return;
  if (!e.status.ptr || e.removed) return finish(uid);
  e.publishing = true;
  auto sent = e.status;
  auto done_with = [this, uid, sent](bool keep) {
    auto i = pods_.find(uid);
    if (i == pods_.end()) return;
    i->second.publishing = false;
    if (!keep && i->second.status.ptr == sent.ptr) i->second.status = {};
    publish(uid);
  };
  ask(
      ctx_.registry, ctx_.settings.request_timeout, [done_with](const object_ref&) { done_with(false); },
      [this, done_with](const caf::error& err) {
        auto code = code_of(err);
        // The object is gone or another: the watch will say so.
        if (code == errc::not_found || code == errc::conflict) return done_with(false);
        after(std::chrono::seconds{1}, [done_with] { done_with(true); });
      },
      put_status{e.object->key(), uid, sent});
}

void node_agent::remember(const std::string& uid) {
  auto i = pods_.find(uid);
  if (i == pods_.end() || i->second.storing) return;
  auto text = to_utf8(boost::json::serialize(to_json(i->second.memory)));
  if (text == i->second.stored) return;
  i->second.storing = true;
  auto done_with = [this, uid](std::string written) {
    auto e = pods_.find(uid);
    if (e == pods_.end()) return;
    e->second.storing = false;
    e->second.stored = std::move(written);
    remember(uid);
  };
  ask(
      ctx_.store, ctx_.settings.request_timeout, [done_with, text](const ack&) { done_with(text); },
      // A full disk loses the memory of this change, not the supervision; the next change is written again.
      [this, uid, done_with](const caf::error&) {
        after(std::chrono::seconds{5}, [done_with] { done_with({}); });
      },
      store_commit{{{memory_row_of(uid), text, 0}}, true}); // the status is right behind it
}

void node_agent::finish(const std::string& uid) {
  auto i = pods_.find(uid);
  if (i == pods_.end()) return;
  auto& e = i->second;
  if (e.removed && (e.terminated || !e.actor)) return forget(uid);
  if (!e.terminated || e.publishing || e.status.ptr || !e.object->meta().deletion_timestamp) return;
  e.publishing = true;
  delete_object request;
  request.key = e.object->key();
  request.grace_seconds = 0;
  request.uid = uid;
  ask(
      ctx_.registry, ctx_.settings.request_timeout,
      [this, uid](const delete_result& result) {
        if (result.removed) return forget(uid);
        // Finalizers hold it: the watch tells when it goes.
        if (auto again = pods_.find(uid); again != pods_.end()) again->second.publishing = false;
      },
      [this, uid](const caf::error& err) {
        if (code_of(err) == errc::not_found || code_of(err) == errc::conflict) return forget(uid);
        after(std::chrono::seconds{1}, [this, uid] {
          if (auto again = pods_.find(uid); again != pods_.end()) again->second.publishing = false;
          finish(uid);
        });
      },
      request);
}

} // namespace podium
