// The moving half of the simulated world: what happens by itself, and the script's own blows.
#include "runtime/sim/sim_world.hpp"

namespace podium {

void sim_world::advance(clock_time now) {
  while (!events_.empty() && events_.begin()->first <= now) {
    auto first = events_.begin();
    auto at = first->first;
    auto event = std::move(first->second);
    events_.erase(first);
    happen(event, at);
  }
}

std::optional<clock_time> sim_world::next_event() const {
  return events_.empty() ? std::nullopt : std::optional{events_.begin()->first};
}

/// Plans the next thing to happen to `x`: it replaces what was planned before.
void sim_world::plan(instance& x, clock_time at, planned what) {
  what.key = x.key;
  what.plan = x.plan = ++last_plan_;
  x.plan_at = at;
  events_.emplace(at, std::move(what));
}

/// Plans an end, unless an earlier one is planned already.
void sim_world::plan_exit(instance& x, clock_time at, int32_t code, std::string reason, std::string message) {
  if (x.at == stage::running && x.plan != 0 && x.plan_at <= at) return;
  plan(
      x, at,
      {.next = stage::exited, .exit_code = code, .reason = std::move(reason), .message = std::move(message)});
}

void sim_world::happen(const planned& event, clock_time at) {
  auto* x = find(event.key);
  if (!x || x->plan != event.plan) return;
  x->plan = 0;
  if (event.next == stage::running)
    began(*x, at);
  else if (x->at != stage::exited)
    ended(*x, at, event.exit_code, event.reason, event.message);
}

void sim_world::began(instance& x, clock_time at) {
  auto& profile = x.profile;
  auto& slot = slot_of(x.key);
  if (profile.fail_starts < 0 || slot.failed_starts < profile.fail_starts) {
    ++slot.failed_starts;
    x.start_error = profile.failure;
    return ended(x, at, 128, "StartError", profile.failure);
  }
  x.at = stage::running;
  x.ever_ran = true;
  x.started_at = at;
  note(at, sim_event_kind::started, x.key);
  sim_run run;
  if (!profile.runs.empty()) run = profile.runs[std::min<size_t>(x.key.attempt, profile.runs.size() - 1)];
  bool too_big = x.memory_limit_bytes > 0 && profile.memory_bytes > x.memory_limit_bytes;
  if (too_big && profile.memory_after <= run.duration) run = {profile.memory_after, 137, true, {}};
  if (run.duration == forever) return;
  if (run.oom)
    plan_exit(x, at + run.duration, 137, "OOMKilled", run.message);
  else
    plan_exit(x, at + run.duration, run.exit_code, run.exit_code == 0 ? "Completed" : "Error", run.message);
}

void sim_world::ended(instance& x, clock_time at, int32_t code, std::string reason, std::string message) {
  if (!x.ever_ran) {
    x.started_at = at;
    if (x.start_error.empty()) x.start_error = "it was killed before it started";
  }
  x.at = stage::exited;
  x.plan = 0;
  x.exit = {
      x.key, code, std::move(reason), std::move(message), env_->epoch.at(x.started_at), env_->epoch.at(at)};
  note(at, sim_event_kind::exited, x.key, code, x.exit.reason);
  exits_.push_back(x.exit);
}

bool sim_world::end_container(std::string_view pod_uid, std::string_view name, int32_t exit_code,
                              clock_time now) {
  advance(now);
  auto i = slots_.find({std::string{pod_uid}, std::string{name}});
  if (i == slots_.end()) return false;
  for (auto& [attempt, x] : i->second.instances) {
    if (x.at != stage::running) continue;
    ended(x, now, exit_code, exit_code == 0 ? "Completed" : "Error", "");
    changed();
    return true;
  }
  return false;
}

bool sim_world::end_first_process(const std::string& pod_uid, clock_time now) {
  advance(now);
  auto box = sandboxes_.find(pod_uid);
  if (box == sandboxes_.end() || !box->second.spec.share_process_namespace) return false;
  box->second.info.lost = "the first process of the pod's process namespace has ended";
  // All in the namespace ends with it.
  for (auto& [name, slot] : slots_)
    for (auto& [attempt, x] : slot.instances)
      if (name.first == pod_uid && x.at != stage::exited && x.at != stage::created)
        ended(x, now, 137, "Error", "");
  changed();
  return true;
}

void sim_world::lose_power(clock_time now) {
  advance(now);
  // The exits are noted for the history alone: nobody was there to see them.
  for (auto& [name, slot] : slots_) {
    for (auto& [attempt, x] : slot.instances)
      if (x.at != stage::exited) note(now, sim_event_kind::exited, x.key, 137, "power lost");
    slot.instances.clear();
  }
  for (auto& [uid, box] : sandboxes_)
    note(now, sim_event_kind::sandbox_removed, {uid, "", 0}, 0, "power lost");
  sandboxes_.clear();
  events_.clear();
  changed();
}

sim_world::instance* sim_world::find(const container_key& key) {
  auto slot = slots_.find({key.pod_uid, key.name});
  if (slot == slots_.end()) return nullptr;
  auto i = slot->second.instances.find(key.attempt);
  return i == slot->second.instances.end() ? nullptr : &i->second;
}

/// The instance, if it is the newest attempt.
caf::expected<sim_world::instance*> sim_world::newest(const container_key& key, clock_time now) {
  auto slot = slots_.find({key.pod_uid, key.name});
  if (slot != slots_.end() && key.attempt < slot->second.highest)
    return refuse(key, errc::stale, "attempt " + std::to_string(slot->second.highest) + " has replaced it",
                  now);
  if (auto* x = find(key)) return x;
  return refuse(key, errc::not_found, "there is no such container", now);
}

caf::error sim_world::refuse(const container_key& key, errc code, std::string why, clock_time now) {
  note(now, sim_event_kind::refused, key, 0, why);
  return make_error(code, "container " + key.name + " of pod " + key.pod_uid + ", attempt "
                              + std::to_string(key.attempt) + ": " + why);
}

void sim_world::note(clock_time at, sim_event_kind kind, const container_key& key, int32_t code,
                     std::string text) {
  history_.add({at, kind, key, code, std::move(text)});
}

uint64_t sim_world::subscribe(std::function<void()> f) {
  listeners_.emplace(++last_listener_, std::move(f));
  return last_listener_;
}

void sim_world::changed() {
  for (auto& [number, f] : listeners_)
    f();
}

std::string sim_world::hex_id() {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (int word = 0; word < 4; ++word) {
    auto bits = ids_.next();
    for (int i = 60; i >= 0; i -= 4)
      out += digits[bits >> i & 0xf];
  }
  return out;
}

} // namespace podium
