// The node's pods on their way out: forgotten once nothing of them is left, and who waits for that.
#include "actors/node.hpp"

namespace podium {

void node_agent::forget(const std::string& uid) {
  auto i = pods_.find(uid);
  if (i == pods_.end()) return;
  if (i->second.actor) dismiss_child(i->second.actor);
  if (follower_) this->send(follower_, follow_objects{uid, {}});
  pods_.erase(i);
  drop_memory(uid);
}

void node_agent::drop_memory(const std::string& uid) {
  ++forgetting_;
  // What the store keeps in spite of this is an orphan of the next start.
  auto through = [this] {
    --forgetting_;
    answer_waiters();
  };
  ask(
      ctx_.store, ctx_.settings.request_timeout, [through](const ack&) { through(); },
      [through](const caf::error&) { through(); }, store_commit{{{memory_row_of(uid), "", 0}}});
}

void node_agent::remove_orphans() {
  for (auto& uid : std::set<std::string>(orphans_))
    remove_orphan(uid);
}

void node_agent::remove_orphan(const std::string& uid) {
  if (!orphans_.contains(uid)) return;
  ask(
      ctx_.runtime, ctx_.settings.request_timeout, [this, uid](const ack&) { remove_orphan_volumes(uid); },
      [this, uid](const caf::error&) { after(ctx_.settings.resync, [this, uid] { remove_orphan(uid); }); },
      remove_sandbox{uid, false});
}

void node_agent::remove_orphan_volumes(const std::string& uid) {
  ask(
      ctx_.volumes, ctx_.settings.request_timeout,
      [this, uid](const ack&) {
        if (orphans_.erase(uid) == 0) return;
        memories_.erase(uid);
        drop_memory(uid);
      },
      [this, uid](const caf::error&) { after(ctx_.settings.resync, [this, uid] { remove_orphan(uid); }); },
      remove_volumes{uid});
}

caf::result<ack> node_agent::await_removed() {
  auto promise = this->make_response_promise<ack>();
  waiters_.push_back({++last_waiter_, promise, false});
  look_for_waiters();
  return promise;
}

/// The watch may not have told yet of the removal that somebody waits for: the registry is asked.
void node_agent::look_for_waiters() {
  if (!up_ || std::all_of(waiters_.begin(), waiters_.end(), [](auto& w) { return w.looked; })) return;
  ask(
      ctx_.registry, ctx_.settings.request_timeout,
      [this, newest = last_waiter_](const object_list& list) {
        compare_with(list);
        for (auto& w : waiters_)
          w.looked = w.looked || w.id <= newest;
        answer_waiters();
      },
      [this](const caf::error&) { retry(&node_agent::look_for_waiters); }, list_objects{"pods", ""});
}

void node_agent::answer_waiters() {
  bool leaving = forgetting_ > 0 || !orphans_.empty()
                 || std::any_of(pods_.begin(), pods_.end(), [](auto& p) { return p.second.removed; });
  if (leaving) return;
  for (auto& w : waiters_)
    if (w.looked) w.promise.deliver(ack{});
  std::erase_if(waiters_, [](auto& w) { return w.looked; });
}

/// A promise holds its own actor.
void node_agent::dismiss_waiters() {
  for (auto& w : std::exchange(waiters_, {}))
    w.promise.deliver(make_error(errc::unavailable, "the node has ended"));
}

} // namespace podium
