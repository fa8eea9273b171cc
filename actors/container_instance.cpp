// One instance of a container, from create to its end: what container.cpp's decisions carry out.
#include "actors/container.hpp"
#include "actors/pod_resources.hpp"
#include "core/saturating.hpp"

namespace podium {
namespace {

/// A postStart hook may take as long as it likes (the container's end ends it); clocks want a number.
constexpr std::chrono::hours post_start_limit{10 * 365 * 24};

} // namespace

// -- create and start
// -------------------------------------------------------------------------------------------------

void container::create() {
  auto op = begin();
  auto& pod = goal_.pod->as_pod();
  auto request = make_create_container(*goal_.pod, pod, spec(), amount_of(ctx_->machine.capacity, "memory"),
                                       memory_.next_attempt.value_or(0), image_id_);
  // The pod may have another image by the time of the answer: what was made is what was asked for.
  instance_memory made;
  made.attempt = request.key.attempt;
  made.image_id = request.image_id;
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

void container::created(instance_memory next, const std::string& image) {
  auto before = std::move(memory_.current);
  // Two instances are shown, and so kept: the one before the last goes.
  if (memory_.previous && before)
    ask(
        ctx_->runtime, ctx_->settings.request_timeout, [](const ack&) {}, [](const caf::error&) {},
        remove_container{{goal_.pod->uid(), spec().name, memory_.previous->attempt}, false});
  if (before) {
    ask(
        ctx_->runtime, ctx_->settings.request_timeout, [](const ack&) {}, [](const caf::error&) {},
        remove_container{{goal_.pod->uid(), spec().name, before->attempt}, true});
    memory_.previous = std::move(before);
  }
  memory_.current = std::move(next);
  memory_.next_attempt.reset();
  memory_.image = image;
  memory_.waiting_reason = memory_.waiting_message = {};
  memory_.kill.reset();
  event("Normal", "Created", "Created container: " + spec().name);
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
  memory_.waiting_reason = memory_.waiting_message = {};
  event("Normal", "Started", "Started container " + spec().name);
  compute_flags();
  tell_probes();
  watch();
  if (spec().lifecycle_ && spec().lifecycle_->post_start && !memory_.kill) post_start();
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
  auto op = begin();
  run_hook(*spec().lifecycle_->post_start, post_start_limit, [this, op](const std::string& error) {
    if (!current(op)) return;
    if (!error.empty()) {
      event("Warning", "FailedPostStartHook", "PostStartHook failed");
      kill_for("postStart", "FailedPostStartHook", {});
    }
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
          if (record.key.name == spec().name) adopt_record(memory_, record);
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
  note_exit(memory_, exit);
  image_id_.clear();
  tell_probes();
  step();
}

void container::pre_stop() {
  auto op = begin();
  wake_at(memory_.kill->deadline.value);
  auto limit = memory_.kill->deadline.value - wall_now();
  run_hook(*spec().lifecycle_->pre_stop, limit, [this, op](const std::string& error) {
    if (!current(op)) return;
    if (!error.empty()) event("Warning", "FailedPreStopHook", "PreStopHook failed");
    if (memory_.kill) memory_.kill->pre_stop_ran = true;
    step();
  });
}

void container::run_hook(const lifecycle_handler& hook, nanoseconds limit,
                         std::function<void(const std::string&)> then) {
  auto failed = [then](const caf::error& err) { then(message_of(err)); };
  if (hook.sleep) {
    after(bounded_period(hook.sleep->seconds), [then] { then({}); });
  } else if (hook.exec) {
    ask(
        ctx_->runtime, limit + std::chrono::seconds{10},
        [then](const exec_result& r) {
          then(r.timed_out        ? "timed out"
               : r.exit_code == 0 ? ""
                                  : "exit code " + std::to_string(r.exit_code));
        },
        failed, exec_sync{key(), hook.exec->command, limit});
  } else if (hook.http_get) {
    probe_spec once;
    once.http_get = hook.http_get;
    once.timeout_seconds =
        static_cast<int32_t>(std::max<int64_t>(1, std::chrono::ceil<std::chrono::seconds>(limit).count()));
    ask(
        ctx_->prober, limit + std::chrono::seconds{10},
        [then](const probe_outcome& o) { then(o.verdict == probe_verdict::success ? "" : o.output); }, failed,
        run_probe{key(), goal_.pod_ip, resolve_probe_ports(once, spec())});
  } else {
    then({});
  }
}

void container::signal(int32_t number) {
  auto op = begin();
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
