#include "runtime/sim/sim_world.hpp"
#include "runtime/sim/glob.hpp"

namespace podium {

namespace {

std::string text_of(const container_key& key) {
  return "container " + key.name + " of pod " + key.pod_uid + ", attempt " + std::to_string(key.attempt);
}

std::string reason_for(int32_t exit_code) {
  return exit_code == 0 ? "Completed" : "Error";
}

/// SIGCHLD, SIGCONT, SIGURG and SIGWINCH do nothing to who does not ask for them.
bool harmless(int32_t signal) {
  return signal == 17 || signal == 18 || signal == 23 || signal == 28;
}

machine_facts default_facts(const std::string& name) {
  machine_facts facts;
  facts.capacity = {
      {"cpu", "4"}, {"memory", "8388608Ki"}, {"pods", "110"}, {"ephemeral-storage", "104857600Ki"}};
  facts.allocatable = facts.capacity;
  facts.addresses = {{"InternalIP", "192.168.0.1"}, {"Hostname", name}};
  facts.info.machine_id = name;
  facts.info.kernel_version = "6.1.0-simulated";
  facts.info.os_image = "podium simulation";
  facts.info.container_runtime_version = "podium-sim://1";
  facts.info.kubelet_version = "v1.32.0";
  facts.info.operating_system = "linux";
  facts.info.architecture = "amd64";
  return facts;
}

} // namespace

sim_world::sim_world(env_ptr env, std::string name, std::string ip_prefix)
    : facts(default_facts(name)), env_(std::move(env)), ids_(env_->stream("sim_world/" + name)),
      ip_prefix_(std::move(ip_prefix)) {}

// -- sandboxes
// ------------------------------------------------------------------------------------------------

sim_due<sandbox_info> sim_world::create(const create_sandbox& request, clock_time now) {
  advance(now);
  if (auto i = sandboxes_.find(request.pod_uid); i != sandboxes_.end()) {
    auto ready = env_->epoch.to_clock(i->second.info.created_at);
    return {std::max(now, ready), i->second.info};
  }
  if (fail_sandboxes != 0) {
    if (fail_sandboxes > 0) --fail_sandboxes;
    return {now + sandbox_delay,
            make_error(errc::container_create, "sandbox of pod " + request.pod_uid + ": simulated failure")};
  }
  sandbox made{request, {hex_id(), "", env_->epoch.at(now + sandbox_delay)}};
  if (!request.host_network) {
    ++addresses_;
    made.info.ip =
        ip_prefix_ + "." + std::to_string(addresses_ >> 8 & 0xff) + "." + std::to_string(addresses_ & 0xff);
  }
  note(now, sim_event_kind::sandbox_created, {request.pod_uid, "", 0});
  auto info = made.info;
  sandboxes_.emplace(request.pod_uid, std::move(made));
  return {now + sandbox_delay, info};
}

void sim_world::lose_networks() {
  for (auto& [uid, box] : sandboxes_)
    if (!box.spec.host_network) box.info.lost = "the sandbox has lost its network";
}

caf::expected<std::optional<sandbox_end>> sim_world::loss_of(const wait_sandbox& request) const {
  auto i = sandboxes_.find(request.pod_uid);
  if (i == sandboxes_.end() || i->second.info.id != request.id)
    return make_error(errc::not_found, "pod " + request.pod_uid + " has no such sandbox");
  auto& info = i->second.info;
  if (info.lost.empty()) return std::optional<sandbox_end>{};
  return std::optional{sandbox_end{info.id, info.lost}};
}

void sim_world::remove(const remove_sandbox& request, clock_time now) {
  advance(now);
  for (auto& [name, slot] : slots_) {
    if (name.first != request.pod_uid) continue;
    for (auto& [attempt, x] : slot.instances)
      if (x.at != stage::exited) ended(x, now, 137, "Error", "");
    if (request.keep_records)
      std::erase_if(slot.instances, [](auto& i) { return !i.second.ever_ran; });
    else
      slot.instances.clear();
  }
  if (sandboxes_.erase(request.pod_uid) > 0)
    note(now, sim_event_kind::sandbox_removed, {request.pod_uid, "", 0});
}

std::string sim_world::pod_ip(const std::string& pod_uid) const {
  auto i = sandboxes_.find(pod_uid);
  return i == sandboxes_.end() ? std::string{} : i->second.info.ip;
}

// -- containers
// -----------------------------------------------------------------------------------------------

sim_due<container_created> sim_world::create(const create_container& request, clock_time now) {
  advance(now);
  auto& key = request.key;
  auto& slot = slot_of(key);
  if (key.attempt < slot.highest)
    return {now,
            refuse(key, errc::stale, "attempt " + std::to_string(slot.highest) + " has replaced it", now)};
  if (auto* x = find(key)) return {std::max(now, x->ready_at), container_created{x->id}};
  if (key.attempt == slot.highest) return {now, refuse(key, errc::stale, "it was removed", now)};
  auto box = sandboxes_.find(key.pod_uid);
  if (box == sandboxes_.end()) return {now, refuse(key, errc::not_found, "the pod has no sandbox", now)};
  if (!box->second.info.lost.empty()) return {now, make_error(errc::unavailable, box->second.info.lost)};
  for (auto& [attempt, x] : slot.instances)
    if (x.at != stage::exited)
      return {now, refuse(key, errc::conflict, "attempt " + std::to_string(attempt) + " has not ended", now)};
  auto& profile = profiles_.find(request.image, request.pod_namespace, request.pod_name, key.name);
  auto ready = now + profile.create_delay;
  if (profile.fail_creates < 0 || slot.failed_creates < profile.fail_creates) {
    ++slot.failed_creates;
    return {ready, make_error(errc::container_create, text_of(key) + ": " + profile.failure)};
  }
  slot.highest = key.attempt;
  slot.made_from = request;
  std::erase_if(slot.instances, [&](auto& i) { return i.second.removed && i.first + 1 < key.attempt; });
  auto& x = slot.instances[key.attempt];
  x.key = key;
  x.id = "podium://" + hex_id();
  x.image = request.image;
  x.image_id = request.image_id;
  x.pod_name = request.pod_name;
  x.pod_namespace = request.pod_namespace;
  x.profile = profile;
  x.created_at = now;
  x.ready_at = ready;
  x.memory_limit_bytes = request.memory_limit_bytes;
  note(now, sim_event_kind::created, key);
  return {ready, container_created{x.id}};
}

sim_due<container_started> sim_world::start(const container_key& key, clock_time now) {
  advance(now);
  auto found = newest(key, now);
  if (!found) return {now, found.error()};
  auto& x = **found;
  if (x.at == stage::created) {
    x.at = stage::starting;
    x.start_at = std::max(now, x.ready_at) + x.profile.start_delay;
    plan(x, x.start_at, {.next = stage::running});
    advance(now);
  }
  if (x.at == stage::starting) return {x.start_at, container_started{}};
  return {now, started(key, now)};
}

caf::expected<container_started> sim_world::started(const container_key& key, clock_time now) {
  advance(now);
  auto* x = find(key);
  if (!x) return make_error(errc::container_start, text_of(key) + ": it was removed while it started");
  if (!x->start_error.empty()) return make_error(errc::container_start, text_of(key) + ": " + x->start_error);
  return container_started{env_->epoch.at(x->started_at)};
}

caf::expected<std::optional<container_exit>> sim_world::exit_of(const container_key& key, clock_time now) {
  advance(now);
  auto* x = find(key);
  if (!x) return make_error(errc::not_found, text_of(key) + ": there is no record of it");
  if (x->at != stage::exited) return std::optional<container_exit>{};
  return std::optional{x->exit};
}

caf::expected<ack> sim_world::signal(const signal_container& request, clock_time now) {
  advance(now);
  auto* x = find(request.key);
  // One that was not started has no process yet.
  if (!x || x->at == stage::exited || x->at == stage::created) return ack{};
  auto number = request.signal == 0 ? x->profile.stop_signal : request.signal;
  note(now, sim_event_kind::signalled, x->key, number);
  auto reaction = x->profile.signals.find(number);
  if (number == 9) {
    plan_exit(*x, now, 137, "Error");
  } else if (reaction != x->profile.signals.end()) {
    auto& does = reaction->second;
    // One that does not run yet has no handler.
    auto delay = x->at == stage::running ? does.delay : nanoseconds{0};
    if (!does.ignored) plan_exit(*x, now + delay, does.exit_code, reason_for(does.exit_code));
  } else if (!harmless(number)) {
    plan_exit(*x, now, 128 + number, "Error");
  }
  advance(now);
  return ack{};
}

caf::expected<ack> sim_world::remove(const remove_container& request, clock_time now) {
  advance(now);
  auto* x = find(request.key);
  if (!x) return ack{};
  if (x->at == stage::created) ended(*x, now, 137, "Error", "");
  if (x->at != stage::exited) return refuse(request.key, errc::conflict, "it has not ended", now);
  note(now, sim_event_kind::removed, request.key);
  auto& slot = slot_of(request.key);
  x->removed = true;
  if (request.keep_log && x->ever_ran && request.key.attempt + 1 >= slot.highest) return ack{};
  slot.instances.erase(request.key.attempt);
  return ack{};
}

sim_due<exec_result> sim_world::exec(const exec_sync& request, clock_time now) {
  advance(now);
  auto found = newest(request.key, now);
  if (!found) return {now, found.error()};
  auto& x = **found;
  if (x.at != stage::running)
    return {now, make_error(errc::not_found, text_of(request.key) + " does not run")};
  std::string line;
  for (auto& word : request.command)
    line += (line.empty() ? "" : " ") + word;
  auto& profile = profiles_.find(x.image, x.pod_namespace, x.pod_name, x.key.name);
  for (auto& rule : profile.execs) {
    auto age = now - x.started_at;
    if (age < rule.from || age >= rule.until || !glob_match(rule.command, line)) continue;
    if (request.timeout > nanoseconds{0} && rule.latency >= request.timeout)
      return {now + request.timeout, exec_result{137, true, ""}};
    auto at = now + rule.latency;
    if (!rule.transport_error.empty()) return {at, make_error(errc::io, rule.transport_error)};
    return {at, exec_result{rule.exit_code, false, rule.output}};
  }
  return {now, exec_result{}};
}

const sim_port* sim_world::port(const container_key& key, int32_t number, const std::string* path,
                                clock_time now) {
  if (!runs(key, now)) return nullptr;
  auto& x = *find(key);
  auto age = now - x.started_at;
  for (auto& rule : profiles_.find(x.image, x.pod_namespace, x.pod_name, x.key.name).ports)
    if ((rule.port == 0 || rule.port == number) && age >= rule.from && age < rule.until
        && (!path || glob_match(rule.path, *path)))
      return &rule;
  return nullptr;
}

bool sim_world::runs(const container_key& key, clock_time now) {
  advance(now);
  auto* x = find(key);
  return x && x->at == stage::running;
}

const create_container* sim_world::made_from(const std::string& pod_uid, const std::string& name) const {
  auto i = slots_.find({pod_uid, name});
  return i == slots_.end() || !i->second.made_from ? nullptr : &*i->second.made_from;
}

runtime_records sim_world::list(const std::string& pod_uid, clock_time now) {
  advance(now);
  runtime_records out;
  for (auto& [uid, box] : sandboxes_)
    if (pod_uid.empty() || uid == pod_uid)
      out.sandboxes.push_back({uid, box.spec.pod_name, box.spec.pod_namespace, box.info});
  for (auto& [name, slot] : slots_) {
    if (!pod_uid.empty() && name.first != pod_uid) continue;
    for (auto& [attempt, x] : slot.instances)
      out.containers.push_back(record_of(x));
  }
  return out;
}

container_record sim_world::record_of(const instance& x) const {
  container_record out;
  out.key = x.key;
  out.container_id = x.id;
  out.image = x.image;
  out.image_id = x.image_id;
  out.created_at = env_->epoch.at(x.created_at);
  if (x.ever_ran) out.started_at = env_->epoch.at(x.started_at);
  if (x.at == stage::running) out.phase = container_phase::running;
  if (x.at == stage::exited) {
    out.phase = container_phase::exited;
    out.exit = x.exit;
  }
  return out;
}

} // namespace podium
