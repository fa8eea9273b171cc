// One instance of a container, from create to its end: what container.cpp's decisions carry out.
#include "actors/container.hpp"
#include "actors/pod_inputs.hpp"
#include "actors/pod_resources.hpp"
#include "core/saturating.hpp"

namespace podium {
namespace {

/// A postStart hook may take as long as it likes (the container's end ends it); clocks want a number.
constexpr std::chrono::hours post_start_limit{10 * 365 * 24};
/// A postStart request that has no answer by then has failed. (The kubelet waits for ever; here the question
/// itself may be lost.) A preStop request has the grace.
constexpr std::chrono::hours http_hook_limit{1};

} // namespace

// -- create and start
// -------------------------------------------------------------------------------------------------

void container::create() {
  auto op = begin();
  auto& pod = goal_.pod->as_pod();
  auto request = make_create_container(*goal_.pod, pod, spec(), amount_of(ctx_->machine.capacity, "memory"),
                                       memory_.next_attempt.value_or(0), image_id_);
  if (auto err = resolve(request)) return retry_later("CreateContainerConfigError", err);
  // The pod may have another image by the time of the answer: what was made is what was asked for.
  instance_memory made;
  made.attempt = request.key.attempt;
  made.image_id = request.image_id;
  made.round = goal_.round;
  ask(
      ctx_->runtime, ctx_->settings.request_timeout,
      [this, op, made, image = request.image](const container_created& answer) mutable {
        if (!current(op)) return;
        made.container_id = answer.container_id;
        created(std::move(made), image);
      },
      [this, op](const caf::error& err) {
        if (!current(op)) return;
        if (code_of(err) == errc::stale) return resync_with_runtime();
        if (!is_refusal(code_of(err))) return retry_soon();
        auto reason =
            code_of(err) == errc::container_config ? "CreateContainerConfigError" : "CreateContainerError";
        retry_later(reason, err);
      },
      request);
}

/// Fills in what the spec says by reference, and what it mounts.
caf::error container::resolve(create_container& request) {
  static const pod_inputs nothing;
  input_facts facts;
  facts.ref = goal_.pod.ptr.get();
  facts.inputs = goal_.inputs ? goal_.inputs.ptr.get() : &nothing;
  facts.pod_ip = goal_.pod_ip;
  facts.host_ip = internal_ip_of(ctx_->machine);
  facts.allocatable = ctx_->machine.allocatable;
  std::vector<std::string> warnings;
  auto resolved = resolve_container(facts, spec(), &warnings);
  if (!resolved) return resolved.error();
  auto mounts = mounts_of(facts, *resolved, goal_.volumes);
  if (!mounts) return mounts.error();
  for (auto& warning : warnings)
    event("Warning", "InvalidEnvironmentVariableNames", warning);
  request.spec = std::move(*resolved);
  request.mounts = std::move(*mounts);
  return {};
}

void container::created(instance_memory next, const std::string& image) {
  auto before = std::move(memory_.current);
  // Two instances are shown, and so kept: the one before the last goes.
  if (memory_.previous && before)
    ask(
        ctx_->runtime, ctx_->settings.request_timeout, [](const ack&) {}, [](const caf::error&) {},
        remove_container{{goal_.pod->uid(), name_, memory_.previous->attempt}, false});
  if (before) {
    ask(
        ctx_->runtime, ctx_->settings.request_timeout, [](const ack&) {}, [](const caf::error&) {},
        remove_container{{goal_.pod->uid(), name_, before->attempt}, true});
    memory_.previous = std::move(before);
  }
  memory_.current = std::move(next);
  memory_.next_attempt.reset();
  memory_.image = image;
  // A crash loop is shown until the next instance runs.
  if (memory_.waiting_reason != "CrashLoopBackOff") memory_.waiting_reason = memory_.waiting_message = {};
  memory_.kill.reset();
  event("Normal", "Created", "Created container: " + name_);
  replace_if_changed();
  step();
}

void container::retry_soon() {
  auto op = begin();
  retrying_ = true;
  after(std::chrono::seconds{1}, [this, op] {
    if (current(op)) step();
  });
  report();
}

void container::retry_later(const std::string& reason, const caf::error& err) {
  memory_.waiting_reason = reason;
  memory_.waiting_message = message_of(err);
  event("Warning", "Failed", "Error: " + memory_.waiting_message);
  // Nothing uses the image while the container waits: it may be collected, and is looked for again.
  image_id_.clear();
  auto op = begin();
  retrying_ = true;
  after(ctx_->settings.sandbox_retry, [this, op] {
    if (current(op)) step();
  });
  report();
}

void container::start() {
  auto op = begin();
  ask(
      ctx_->runtime, ctx_->settings.request_timeout,
      [this, op](const container_started& answer) {
        if (current(op)) started(answer);
      },
      [this, op](const caf::error& err) {
        if (!current(op)) return;
        if (code_of(err) == errc::stale) return resync_with_runtime();
        if (!is_refusal(code_of(err))) return retry_soon();
        start_failed(err);
      },
      start_container{key()});
}

void container::started(const container_started& answer) {
  memory_.current->phase = container_phase::running;
  memory_.current->started_at = {answer.started_at};
  memory_.current->post_start_due = spec().lifecycle_ && spec().lifecycle_->post_start;
  // The hook is a part of the start.
  if (!memory_.current->post_start_due) memory_.waiting_reason = memory_.waiting_message = {};
  event("Normal", "Started", "Started container " + name_);
  compute_flags();
  tell_probes();
  watch();
  step();
}

void container::start_failed(const caf::error& err) {
  // Source: the kubelet shows a container that could not start as ended with 128, StartError.
  event("Warning", "Failed", "Error: " + message_of(err));
  container_exit exit;
  exit.key = key();
  exit.exit_code = 128;
  exit.reason = "StartError";
  exit.message = message_of(err);
  exit.finished_at = wall_now();
  note_exit(memory_, exit);
  memory_.waiting_reason = "RunContainerError";
  memory_.waiting_message = exit.message;
  image_id_.clear();
  tell_probes();
  step();
}

void container::post_start() {
  auto& hooks = spec().lifecycle_;
  if (!hooks || !hooks->post_start) {
    memory_.current->post_start_due = false;
    memory_.waiting_reason = memory_.waiting_message = {};
    return;
  }
  begin();
  run_hook(*hooks->post_start, "postStart", post_start_limit, [this](const std::string& error) {
    memory_.current->post_start_due = false;
    if (error.empty()) {
      memory_.waiting_reason = memory_.waiting_message = {};
    } else {
      event("Warning", "FailedPostStartHook", "PostStartHook failed: " + error);
      kill_for("postStart", "FailedPostStartHook", error, {});
    }
    compute_flags();
    tell_probes();
    step();
  });
}

void container::resync_with_runtime() {
  auto op = begin();
  ask(
      ctx_->runtime, ctx_->settings.request_timeout,
      [this, op](const runtime_records& records) {
        if (!current(op)) return;
        for (auto& record : records.containers)
          if (record.key.name == name_) adopt_record(memory_, record, goal_.round);
        memory_.next_attempt.reset();
        tell_probes();
        step();
      },
      [this, op](const caf::error& err) {
        if (current(op)) retry_later("CreateContainerError", err);
      },
      list_runtime{goal_.pod->uid()});
}

// -- the end
// ----------------------------------------------------------------------------------------------------------

void container::watch() {
  watching_ = true;
  auto attempt = memory_.current->attempt;
  auto again = [this, attempt] {
    watching_ = false;
    if (running() && memory_.current->attempt == attempt) watch();
  };
  ask(
      ctx_->runtime, ctx_->settings.wait_timeout,
      [this](const container_exit& exit) { ended_instance(exit); },
      [this, again](const caf::error& err) {
        // A wait that timed out is asked anew: the safety net under lost messages.
        if (code_of(err) == errc::timeout) return again();
        if (code_of(err) == errc::not_found && running()) {
          container_exit lost;
          lost.key = key();
          lost.exit_code = 137;
          lost.reason = "ContainerStatusUnknown";
          lost.message = "The container could not be located when the pod was synced";
          lost.finished_at = wall_now();
          return ended_instance(lost);
        }
        after(ctx_->settings.sandbox_retry, again);
      },
      wait_container{key()});
}

void container::ended_instance(const container_exit& exit) {
  watching_ = false;
  if (!running() || exit.key.attempt != memory_.current->attempt) return step();
  ++operation_;
  busy_ = false;
  if (memory_.kill && memory_.kill->reason == "postStart") {
    memory_.waiting_reason = "PostStartHookError";
    memory_.waiting_message = memory_.kill->message;
  }
  note_exit(memory_, exit);
  image_id_.clear();
  tell_probes();
  step();
}

void container::pre_stop() {
  begin();
  wake_at(memory_.kill->deadline.value);
  auto limit = memory_.kill->deadline.value - wall_now();
  run_hook(*spec().lifecycle_->pre_stop, "preStop", limit, [this](const std::string& error) {
    if (!error.empty()) event("Warning", "FailedPreStopHook", "PreStopHook failed: " + error);
    if (memory_.kill) memory_.kill->pre_stop_ran = true;
    step();
  });
}

void container::run_hook(const lifecycle_handler& hook, const std::string& name, nanoseconds limit,
                         hook_end then) {
  auto op = operation_;
  auto through = [this, op, then](const std::string& error) {
    if (current(op)) then(error);
  };
  if (hook.sleep) {
    after(bounded_period(hook.sleep->seconds), [through] { through({}); });
  } else if (hook.exec) {
    run_hook_command({key(), hook.exec->command, limit, name}, now() + limit + std::chrono::seconds{10}, op,
                     through);
  } else if (hook.http_get) {
    limit = std::min<nanoseconds>(limit, http_hook_limit);
    probe_spec once;
    once.http_get = hook.http_get;
    once.timeout_seconds =
        static_cast<int32_t>(std::max<int64_t>(1, std::chrono::ceil<std::chrono::seconds>(limit).count()));
    ask(
        ctx_->prober, limit + std::chrono::seconds{10},
        [through](const probe_outcome& o) {
          // Any answer will do, whatever its code. Source: lifecycle handlers, runHTTPHandler.
          through(o.answered ? "" : o.output.empty() ? "failed" : o.output);
        },
        [through](const caf::error& err) { through(message_of(err)); },
        run_probe{key(), goal_.pod_ip, resolve_probe_ports(once, spec())});
  } else {
    through({});
  }
}

/// Question or answer may be lost, and a command may take long: it is asked for again, and the runtime, which
/// knows it by its name, does not run it twice.
void container::run_hook_command(exec_sync request, clock_time until, uint64_t op, hook_end then) {
  auto left = std::max<nanoseconds>(until - now(), std::chrono::seconds{1});
  ask(
      ctx_->runtime, std::min(left, ctx_->settings.wait_timeout),
      [then](const exec_result& r) {
        if (r.timed_out) return then("timed out");
        if (r.exit_code == 0) return then("");
        then("exit code " + std::to_string(r.exit_code) + (r.output.empty() ? "" : ": " + brief(r.output)));
      },
      [this, request, until, op, then](const caf::error& err) {
        if (op != operation_) return;
        if (is_refusal(code_of(err)) || now() >= until) return then(message_of(err));
        if (code_of(err) == errc::timeout) return run_hook_command(request, until, op, then);
        after(std::chrono::seconds{1}, [this, request, until, op, then] {
          if (op == operation_) run_hook_command(request, until, op, then);
        });
      },
      request);
}

void container::signal(int32_t number) {
  auto op = begin();
  if (number == 9 && memory_.kill && memory_.kill->signalled && running() && !memory_.kill->grace_over) {
    memory_.kill->grace_over = true;
    auto grace = std::max<nanoseconds>(std::chrono::seconds{memory_.kill->grace_seconds},
                                       ctx_->settings.minimum_grace);
    event("Normal", "Killing",
          "Container " + name_ + " did not end within its grace of " + to_go_duration(grace)
              + ", sending SIGKILL");
  }
  if (number == 0) {
    // Whole seconds that the hook used are taken off the grace; two are always left. Source: pod-semantics
    // §3.5.
    auto& kill = *memory_.kill;
    auto begun = kill.deadline.value - std::chrono::seconds{kill.grace_seconds};
    auto used = std::chrono::floor<std::chrono::seconds>(wall_now() - begun);
    auto left =
        std::max<nanoseconds>(std::chrono::seconds{kill.grace_seconds} - used, ctx_->settings.minimum_grace);
    kill.deadline = {wall_now() + left};
    kill.signalled = true;
  }
  ask(
      ctx_->runtime, ctx_->settings.request_timeout,
      [this, op, number](const ack&) {
        if (!current(op)) return;
        if (number == 9 && memory_.current && memory_.current->phase == container_phase::created)
          return remove_unstarted();
        // A process in an uninterruptible wait outlives SIGKILL: it is sent again.
        if (number == 9 && memory_.kill) memory_.kill->deadline = {wall_now() + std::chrono::seconds{5}};
        step();
      },
      [this, op](const caf::error&) {
        if (current(op)) retry_soon();
      },
      signal_container{key(), number});
}

void container::remove_unstarted() {
  auto op = begin();
  ask(
      ctx_->runtime, ctx_->settings.request_timeout,
      [this, op](const ack&) {
        if (!current(op)) return;
        // One that never ran will tell no exit.
        container_exit exit;
        exit.key = key();
        exit.exit_code = 137;
        exit.reason = "ContainerStatusUnknown";
        exit.message = "The container was removed before it was started";
        exit.finished_at = wall_now();
        note_exit(memory_, exit);
        step();
      },
      // A start whose answer was lost: it has been sent SIGKILL, and ends in a moment.
      [this, op](const caf::error&) {
        if (current(op)) retry_soon();
      },
      remove_container{key(), true});
}

} // namespace podium
