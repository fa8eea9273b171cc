#include "actors/container.hpp"

#include "actors/registry_logins.hpp"
#include "actors/restart_rules.hpp"
#include "core/saturating.hpp"

namespace podium {

container::container(caf::actor_config& cfg, node_context_ptr ctx, std::string path, pod_actor parent,
                     image_puller_actor puller, object_ref pod, std::string name, container_memory memory)
    : base_actor(cfg, ctx->env, std::move(path)), ctx_(std::move(ctx)), parent_(std::move(parent)),
      puller_(std::move(puller)), name_(std::move(name)), memory_(std::move(memory)) {
  goal_.pod = std::move(pod);
  take_tuning();
}

void container::on_start() {
  // The message that it broke at may have been a goal: a report of nothing asks for it. Not at once, should
  // it be the goal that breaks it.
  if (std::exchange(up_, true))
    after(std::chrono::seconds{1}, [this] {
      if (parent_) this->send(parent_, container_report{name_, {}, false, 0});
    });
  busy_ = fetching_ = retrying_ = watching_ = settled_ = false;
  ++operation_;
  wake_ = 0;
  image_id_.clear();
  last_report_.clear();
  spawn_probes();
  tell_probes();
  step();
}

void container::ended() {
  parent_ = nullptr;
  puller_ = nullptr;
  probes_.clear();
}

container::behavior_type container::handlers() {
  return {[this](const container_goal& goal) { take_goal(goal); },
          [this](const probe_report& probe) { take_probe(probe); }};
}

restart_terms container::terms() const {
  return restart_terms_of(goal_.pod->as_pod().spec, found_);
}

void container::take_tuning() {
  found_ = find_container(goal_.pod->as_pod().spec, name_);
  tuning_ = tuning_of(goal_.pod->as_pod(), ctx_->settings.crash_loop);
}

container_key container::key() const {
  return {goal_.pod->uid(), spec().name, memory_.current ? memory_.current->attempt : 0};
}

bool container::running() const {
  return memory_.current && memory_.current->phase == container_phase::running;
}

container_facts container::facts() const {
  auto& key = goal_.pod->key();
  return {&spec(), terms(), goal_.round, goal_.wish, goal_.deleting,
          // Before its first goal it does not know whose turn it is.
          goal_.number == 0 || goal_.hold_signal, !image_id_.empty(),
          key.name + "_" + key.ns + "(" + goal_.pod->uid() + ")"};
}

// -- what is wanted
// ---------------------------------------------------------------------------------------------------

void container::take_goal(const container_goal& goal) {
  // Names are unique and none ever leaves a spec; one that did would leave nothing to go by.
  if (!find_container(goal.pod->as_pod().spec, name_)) return;
  auto image_before = spec().image;
  // Also between two questions the puller may still hold this one's place.
  bool waited_for_image = fetching_ || retrying_;
  // What a try failed for may be there now.
  if (goal.inputs.ptr != goal_.inputs.ptr && retrying_) begin(), busy_ = false;
  goal_ = goal;
  take_tuning();
  last_report_.clear();
  if (waited_for_image && (spec().image != image_before || goal_.wish == container_wish::stop))
    this->send(puller_, forget_images{});
  if (spec().image != image_before) {
    // Nothing that was found out for another image holds for this one. Source: the back-off's key has the
    // image in it.
    image_id_.clear();
    memory_.pull = {};
    memory_.back_off = {};
    if (fetching_ || retrying_) begin(), busy_ = fetching_ = false;
  }
  if (goal_.wish == container_wish::stop) {
    // Nobody waits for an image, or for the next try of a start, that is not wanted any more.
    if (fetching_ || retrying_) begin(), busy_ = fetching_ = false;
    kill_for("termination", "Stopping container " + name_, goal_.cause, goal_.grace_seconds);
  } else {
    replace_if_changed();
  }
  tell_probes();
  step();
}

void container::replace_if_changed() {
  if (image_changed(spec(), memory_))
    kill_for("spec", "Container " + name_ + " definition changed, will be restarted",
             "image " + memory_.image + " is now " + spec().image, {});
}

void container::take_probe(const probe_report& probe) {
  if (!probe.memory) return tell_probes();
  auto& known = memory_.probes[to_string(probe.kind)];
  known = *probe.memory.ptr;
  bool mine = memory_.current && known.container_id == memory_.current->container_id && running();
  if (mine && probe.kind != probe_kind::readiness && known.stored == probe_verdict::failure) {
    auto name = to_string(probe.kind);
    auto& of = probe.kind == probe_kind::liveness ? spec().liveness_probe : spec().startup_probe;
    kill_for(name,
             "Container " + name_ + " failed " + name + " probe"
                 + (terms().policy == "Never" ? "" : ", will be restarted"),
             probe_cause(of ? *of : probe_spec{}, known),
             of ? of->termination_grace_period_seconds : std::nullopt);
  }
  step();
}

void container::kill_for(const std::string& reason, const std::string& message, const std::string& cause,
                         std::optional<int64_t> grace) {
  bool fresh = !memory_.kill && memory_.current && memory_.current->phase != container_phase::exited;
  kill_memory kill;
  kill.reason = reason;
  // The pod's deletion wins over everything; a probe's own grace over the pod's.
  auto spec_grace = goal_.pod->as_pod().spec.termination_grace_period_seconds.value_or(30);
  auto seconds = goal_.wish == container_wish::stop ? goal_.grace_seconds : grace.value_or(spec_grace);
  kill.grace_seconds = bounded_period(seconds).count();
  kill.message = kill_text(message, cause, spec(), kill.grace_seconds, ctx_->settings.minimum_grace);
  begin_kill(memory_, kill, wall_now(), ctx_->settings.minimum_grace);
  if (fresh && memory_.kill) {
    // What was under way for this instance (its start, its hook) is not waited for.
    if (memory_.current->phase == container_phase::running) begin(), busy_ = false;
    event("Normal", "Killing", memory_.kill->message);
  }
}

// -- the walk
// ---------------------------------------------------------------------------------------------------------

uint64_t container::begin() {
  busy_ = true;
  retrying_ = false;
  return ++operation_;
}

bool container::current(uint64_t operation) {
  if (operation != operation_) return false;
  busy_ = fetching_ = retrying_ = false;
  return true;
}

void container::wake_at(wall_time when) {
  cancel(wake_);
  if (when == wall_time::max()) return;
  wake_ = at(env()->epoch.to_clock(when), [this] { step(); });
}

void container::step() {
  compute_flags();
  if (busy_) {
    // A hook that hangs is overtaken by the end of the grace.
    if (memory_.kill && !memory_.kill->signalled && running() && wall_now() >= memory_.kill->deadline.value) {
      memory_.kill->pre_stop_ran = true;
      ++operation_;
      busy_ = false;
    } else {
      // The grace may have become shorter under a hook.
      if (memory_.kill && !memory_.kill->signalled && running()) wake_at(memory_.kill->deadline.value);
      return report();
    }
  }
  auto decision = decide_container(facts(), tuning_.crash_loop, wall_now(), memory_);
  settled_ = decision.step == container_step::settled;
  cancel(wake_);
  if (running() && !watching_) watch();
  switch (decision.step) {
  case container_step::idle:
  case container_step::settled:
    break;
  case container_step::wait:
    if (memory_.waiting_reason == "CrashLoopBackOff" && back_off_told_ != memory_.current->attempt) {
      // Once for each instance, also where the words are the same: the event's count tells the tries.
      back_off_told_ = memory_.current->attempt;
      event("Warning", "BackOff",
            "Back-off restarting failed container " + name_ + " in pod " + facts().pod_name);
    } else if (!memory_.pull.reason.empty() && memory_.waiting_reason == "ErrImagePull") {
      // The failure is shown for a moment, then that it is being waited for.
      auto flip = memory_.pull.failed_at.value + std::chrono::seconds{1};
      if (wall_now() < flip && flip < decision.at) {
        wake_at(flip);
        break;
      }
      memory_.waiting_reason = "ImagePullBackOff";
      memory_.waiting_message = "Back-off pulling image \"" + spec().image + "\": " + memory_.pull.reason
                                + ": " + memory_.pull.message;
      event("Normal", "BackOff", "Back-off pulling image \"" + spec().image + "\"");
      event("Warning", "Failed", "Error: ImagePullBackOff");
    }
    wake_at(decision.at);
    break;
  case container_step::fetch_image:
    fetch_image();
    break;
  case container_step::create:
    create();
    break;
  case container_step::start:
    start();
    break;
  case container_step::watch:
    wake_at(decision.at);
    if (running() && !memory_.kill && memory_.current->post_start_due) post_start();
    break;
  case container_step::pre_stop:
    pre_stop();
    break;
  case container_step::terminate:
    signal(0);
    break;
  case container_step::kill:
    signal(9);
    break;
  }
  report();
}

// -- image
// ------------------------------------------------------------------------------------------------------------

void container::fetch_image() {
  auto op = begin();
  fetching_ = true;
  auto access = registry_logins_of(*goal_.pod, goal_.inputs.ptr.get());
  if (!access.missing.empty()) {
    std::string names;
    for (auto& name : access.missing)
      names += (names.empty() ? "" : ", ") + name;
    this->send(ctx_->recorder, pod_event(*ctx_, *goal_.pod, "", "Warning", "FailedToRetrieveImagePullSecret",
                                         "Unable to retrieve some image pull secrets (" + names
                                             + "); attempting to pull the image may not succeed."));
  }
  ask(
      puller_, ctx_->settings.request_timeout,
      [this, op](const image_info& info) {
        if (!current(op)) return;
        image_id_ = info.repo_digest; // names the image to the runtime, and in status.imageID
        memory_.pull = {};
        if (memory_.waiting_reason.find("Image") != std::string::npos)
          memory_.waiting_reason = memory_.waiting_message = {};
        step();
      },
      [this, op](const caf::error& err) {
        if (current(op)) fetch_failed(err);
      },
      ensure_image{goal_.pod, spec().name, spec().image, spec().image_pull_policy, std::move(access.logins)});
}

void container::fetch_failed(const caf::error& err) {
  auto code = code_of(err);
  // The puller is slow, or was replaced: that is no failure of the image. Asking again joins a pull under
  // way.
  if (!is_refusal(code)) return retry_soon();
  auto& pull = memory_.pull;
  auto delay = next_pull_delay(ctx_->settings.image_pull, wall_now(), pull);
  pull.delay = delay;
  pull.failed_at = {wall_now()};
  pull.message = message_of(err);
  pull.reason = code == errc::image_name      ? "InvalidImageName"
                : code == errc::not_found     ? "ErrImageNeverPull"
                : code == errc::image_inspect ? "ImageInspectError"
                                              : "ErrImagePull";
  memory_.waiting_reason = pull.reason;
  memory_.waiting_message = pull.message;
  event("Warning", "Failed", "Error: " + pull.reason);
  step();
}

} // namespace podium
