#include "actors/pod.hpp"

#include "actors/pod_resources.hpp"
#include "actors/pod_rules.hpp"

namespace podium {

pod_supervisor::pod_supervisor(caf::actor_config& cfg, node_context_ptr ctx, std::string path,
                               node_actor parent, object_ref pod, bool removed, pod_memory memory)
    : base_actor(cfg, ctx->env, std::move(path)), ctx_(std::move(ctx)), parent_(std::move(parent)),
      object_(std::move(pod)), removed_(removed), memory_(std::move(memory)) {}

void pod_supervisor::on_start() {
  // The message that it broke at may have been an update: a report of nothing asks for it. Not at once,
  // should it be the update that breaks it.
  if (std::exchange(up_, true))
    after(std::chrono::seconds{1}, [this] {
      if (parent_) this->send(parent_, pod_report{object_->uid(), {}, {}, false, false});
    });
  busy_ = has_sandbox_ = false;
  lost_.clear();
  deadline_ = sandbox_retry_ = teardown_retry_ = 0;
  volume_ = {};
  for (auto& [where, token] : tokens_)
    token.asking = false;
  // Once: a status made from what the status says would never come to rest.
  if (last_ip_.empty()) last_ip_ = object_->as_pod().status.pod_ip;
  if (!memory_.start_time) memory_.start_time = nano_time{wall_now()};
  last_report_.clear();
  judge();
  spawn_containers();
  tell_containers(true);
  watch_deadline();
  warn_of_tuning();
  step();
}

void pod_supervisor::ended() {
  parent_ = nullptr;
  containers_.clear();
}

pod_supervisor::behavior_type pod_supervisor::handlers() {
  return {[this](const pod_update& update) { take_update(update); },
          [this](const container_report& report) { take_report(report); },
          [this](const memory_ref<pod_inputs>& inputs) { take_inputs(inputs); }};
}

void pod_supervisor::take_update(const pod_update& update) {
  auto version = update.object ? update.object->resource_version() : 0;
  // The same version again is a question: the node wants to hear it once more.
  if (version == object_->resource_version()) {
    last_report_.clear();
    follow(true);
  }
  if (version >= object_->resource_version()) object_ = update.object;
  removed_ = removed_ || update.removed;
  watch_deadline();
  warn_of_tuning();
  spawn_containers(); // ephemeral ones come with an update
  step();
}

void pod_supervisor::take_report(const container_report& report) {
  auto i = containers_.find(report.name);
  if (i == containers_.end()) return;
  if (!report.memory) {
    i->second.last_goal.clear();
    return step();
  }
  // What it said of an earlier goal is no answer to the last.
  i->second.settled = report.settled && report.goal == i->second.goal;
  memory_.containers[report.name] = *report.memory.ptr;
  step();
}

// -- what is so
// -------------------------------------------------------------------------------------------------------

bool pod_supervisor::any_alive() const {
  for (auto& [name, m] : memory_.containers)
    if (m.current && m.current->phase != container_phase::exited) return true;
  return false;
}

bool pod_supervisor::all_settled() const {
  for (auto& [name, c] : containers_)
    if (!c.settled) return false;
  return !any_alive();
}

bool pod_supervisor::gone() const {
  return removed_ || object_->meta().deletion_timestamp.has_value();
}

bool pod_supervisor::should_terminate() const {
  if (gone() || !memory_.reason.empty()) return true;
  auto phase = current_status().phase;
  return phase == "Succeeded" || phase == "Failed";
}

pod_status pod_supervisor::current_status() const {
  pod_facts facts;
  auto& p = object_->as_pod();
  facts.object = &p;
  facts.memory = &memory_;
  facts.terminal = memory_.terminating && torn_down_;
  facts.may_publish_terminal = !any_alive();
  for (auto& a : ctx_->machine.addresses)
    if (a.type == "InternalIP") facts.host_ip = a.address;
  if (!torn_down_ && !memory_.pod_ip.empty()) facts.pod_ip = memory_.pod_ip;
  facts.last_ip = last_ip_;
  return pod_status_of(facts, wall_now());
}

// -- the walk
// ---------------------------------------------------------------------------------------------------------

pod_stage pod_supervisor::stage() const {
  return memory_.terminating               ? pod_stage::ending
         : !lost_.empty()                  ? pod_stage::renewing
         : has_sandbox_ && volumes_ready() ? pod_stage::ready
                                           : pod_stage::preparing;
}

void pod_supervisor::terminate(const std::string& cause) {
  if (std::exchange(memory_.terminating, true)) return;
  memory_.cause = cause;
}

/// What is to become of the pod and each of its containers, by what is known now.
void pod_supervisor::judge() {
  if (removed_)
    terminate("the pod was removed from the API");
  else if (gone())
    terminate("the pod is deleted");
  else if (should_terminate())
    terminate(memory_.reason.empty() ? "the pod is over" : memory_.reason);
  orders_ = order_containers(object_->as_pod().spec, memory_, stage());
  if (memory_.terminating) return;
  if (!orders_.reset.empty() && reset_is_through()) {
    begin_new_round(object_->as_pod().spec, memory_);
    orders_ = order_containers(object_->as_pod().spec, memory_, stage());
  } else if (!orders_.over.empty()) {
    terminate(orders_.over);
    orders_ = order_containers(object_->as_pod().spec, memory_, stage());
  }
}

void pod_supervisor::step() {
  step_volumes();
  judge();
  tell_containers();
  if (busy_) return report();
  if (memory_.terminating) {
    // A finished pod keeps its records and logs until it is deleted; then they go too.
    // The end does not wait for the next try of a sandbox that could not be made.
    cancel(sandbox_retry_);
    if (all_settled() && !teardown_retry_ && (!torn_down_ || (records_kept_ && gone()))) tear_down();
  } else if (!lost_.empty()) {
    if (all_settled() && !teardown_retry_) remove_lost_sandbox();
  } else if (!has_sandbox_ && !sandbox_retry_ && sandbox_may_come()) {
    make_sandbox();
  }
  report();
}

/// Source: the kubelet's SyncPod: volumes first, so that a pod that waits for them has no sandbox and no
/// address. One that an earlier daemon made is there, whatever the volumes do.
bool pod_supervisor::sandbox_may_come() const {
  bool there = !memory_.sandbox_id.empty() && !memory_.pod_ip.empty();
  return there || object_->as_pod().spec.volumes.empty() || volume_.made;
}

/// Source: the kubelet's GetPodDNS; here once for a pod.
void pod_supervisor::warn_of_dns() {
  if (!memory_.sandbox_id.empty() || std::exchange(dns_told_, true)
      || !lacks_cluster_dns(object_->as_pod().spec, ctx_->settings))
    return;
  auto& key = object_->key();
  event("Warning", "MissingClusterDNS",
        "pod: \"" + key.name + "_" + key.ns + "(" + object_->uid()
            + ")\". kubelet does not have ClusterDNS IP configured and cannot create Pod using "
              "\"ClusterFirst\" policy. Falling back to \"Default\" policy.");
}

void pod_supervisor::make_sandbox() {
  busy_ = true;
  warn_of_dns();
  ask(
      ctx_->runtime, ctx_->settings.request_timeout,
      [this](const sandbox_info& info) {
        busy_ = false;
        if (!info.lost.empty()) return renew_sandbox(info.lost);
        sandbox_made(info);
      },
      [this](const caf::error& err) {
        busy_ = false;
        event("Warning", "FailedCreatePodSandBox", "Failed to create pod sandbox: " + message_of(err));
        retry_later(sandbox_retry_);
      },
      make_create_sandbox(*object_, object_->as_pod(), ctx_->settings));
}

void pod_supervisor::sandbox_made(const sandbox_info& info) {
  has_sandbox_ = true;
  bool another = !memory_.sandbox_id.empty() && memory_.sandbox_id != info.id;
  memory_.sandbox_id = info.id;
  memory_.pod_ip = address_of(info, ctx_->machine);
  last_ip_ = memory_.pod_ip;
  if (another && !begin_in_new_sandbox(object_->as_pod().spec, memory_)) terminate("the sandbox was lost");
  watch_sandbox();
  step();
}

void pod_supervisor::watch_sandbox() {
  // Only what stands on a process can end by itself.
  if (!object_->as_pod().spec.share_process_namespace.value_or(false)) return;
  auto id = memory_.sandbox_id;
  auto mine = [this, id] { return has_sandbox_ && lost_.empty() && memory_.sandbox_id == id; };
  ask(
      ctx_->runtime, ctx_->settings.wait_timeout,
      [this, mine](const sandbox_end& end) {
        if (mine() && !memory_.terminating) renew_sandbox(end.why);
      },
      [this, mine](const caf::error& err) {
        if (!mine() || code_of(err) == errc::not_found) return;
        // A wait that timed out is asked anew: the safety net under lost messages.
        if (code_of(err) == errc::timeout) return watch_sandbox();
        after(ctx_->settings.sandbox_retry, [this, mine] {
          if (mine()) watch_sandbox();
        });
      },
      wait_sandbox{object_->uid(), id});
}

/// Source: the kubelet's computePodActions: a sandbox that is not whole is killed with all in it; whether a
/// container comes again is its restart policy's word.
void pod_supervisor::renew_sandbox(const std::string& why) {
  lost_ = why;
  memory_.pod_ip.clear();
  event("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
  for (auto& [name, c] : containers_)
    c.settled = false;
  step();
}

void pod_supervisor::remove_lost_sandbox() {
  busy_ = true;
  ask(
      ctx_->runtime, ctx_->settings.request_timeout,
      [this](const ack&) {
        busy_ = has_sandbox_ = false;
        lost_.clear();
        for (auto& [name, c] : containers_)
          c.settled = false;
        step();
      },
      [this](const caf::error&) {
        busy_ = false;
        retry_later(teardown_retry_);
      },
      remove_sandbox{object_->uid(), true});
}

void pod_supervisor::tear_down() {
  if (!volume_.removed) return end_volumes();
  busy_ = true;
  bool keep = !gone();
  ask(
      ctx_->runtime, ctx_->settings.request_timeout,
      [this, keep](const ack&) {
        busy_ = false;
        torn_down_ = true;
        records_kept_ = keep;
        has_sandbox_ = false;
        step();
      },
      [this](const caf::error&) {
        busy_ = false;
        retry_later(teardown_retry_);
      },
      remove_sandbox{object_->uid(), keep});
}

void pod_supervisor::retry_later(deadline_set::id& wait) {
  wait = after(ctx_->settings.sandbox_retry, [this, &wait] {
    wait = 0;
    step();
  });
  step();
}

void pod_supervisor::watch_deadline() {
  cancel(deadline_);
  auto seconds = object_->as_pod().spec.active_deadline_seconds;
  if (!seconds || memory_.terminating || !memory_.start_time) return;
  auto due = memory_.start_time->value + std::chrono::seconds{*seconds};
  deadline_ = at(env()->epoch.to_clock(due), [this] {
    if (memory_.terminating) return;
    memory_.reason = "DeadlineExceeded";
    memory_.message = "Pod was active on the node longer than the specified deadline";
    event("Normal", "DeadlineExceeded", memory_.message);
    step();
  });
}

// -- what others see
// --------------------------------------------------------------------------------------------------

void pod_supervisor::report() {
  if (!parent_) return;
  auto status = current_status();
  memory_.phase = status.phase;
  memory_.conditions = status.conditions;
  bool over = memory_.terminating && torn_down_ && !(records_kept_ && gone());
  boost::json::value document = status_document_of(object_->as_pod().spec, status);
  auto text = boost::json::serialize(document) + boost::json::serialize(to_json(memory_)) + (over ? "1" : "0")
              + (gone() ? "1" : "0");
  if (text == last_report_) return;
  last_report_ = std::move(text);
  this->send(parent_, pod_report{object_->uid(),
                                 make_document(std::move(document)),
                                 {std::make_shared<const pod_memory>(memory_)},
                                 over,
                                 gone()});
}

void pod_supervisor::event(const char* type, const char* reason, std::string message) {
  this->send(ctx_->recorder, pod_event(*ctx_, *object_, "", type, reason, std::move(message)));
}

} // namespace podium
