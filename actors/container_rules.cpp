#include "actors/container_rules.hpp"

#include "core/utf8.hpp"

namespace podium {
namespace {

using phase = container_phase;

bool alive(const container_memory& m) {
  return m.current && m.current->phase != phase::exited;
}

/// The step of a kill under way.
container_decision decide_kill(const container_facts& facts, wall_time now, container_memory& m) {
  auto& kill = *m.kill;
  // One that was never started has nobody to signal: it is killed at once.
  if (m.current->phase == phase::created) return {container_step::kill, now};
  bool has_hook = facts.spec->lifecycle_ && facts.spec->lifecycle_->pre_stop;
  if (has_hook && !kill.pre_stop_ran && kill.grace_seconds > 0 && now < kill.deadline.value)
    return {container_step::pre_stop, now};
  // Source: pod-semantics §3.6: waiting for its turn takes of the same grace.
  if (!kill.signalled && facts.hold_signal && now < kill.deadline.value)
    return {container_step::watch, kill.deadline.value};
  if (!kill.signalled) return {container_step::terminate, now};
  if (now >= kill.deadline.value) return {container_step::kill, now};
  return {container_step::watch, kill.deadline.value};
}

/// A start is decided once: attempt and back-off move here and nowhere else.
container_decision decide_next_attempt(const container_facts& facts, const back_off_settings& crash_loop,
                                       wall_time now, container_memory& m) {
  if (!m.current) {
    m.next_attempt = 0;
    return {container_step::fetch_image, now};
  }
  if (next_action(facts.terms, m, facts.round) != restart_action::restart) {
    m.waiting_reason.clear();
    return {container_step::settled, now};
  }
  auto decision = decide_restart(crash_loop, m.current->finished_at.value, now, m.back_off);
  if (!decision.start) {
    m.waiting_reason = "CrashLoopBackOff";
    m.waiting_message = "back-off " + to_go_duration(decision.delay)
                        + " restarting failed container=" + facts.spec->name + " pod=" + facts.pod_name;
    return {container_step::wait, decision.retry_at};
  }
  m.next_attempt = m.current->attempt + 1;
  return {container_step::fetch_image, now};
}

} // namespace

bool image_changed(const container_spec& spec, const container_memory& m) {
  return alive(m) && !m.image.empty() && m.image != spec.image;
}

container_decision decide_container(const container_facts& facts, const back_off_settings& crash_loop,
                                    wall_time now, container_memory& m) {
  if (alive(m) && !m.next_attempt) {
    if (m.kill) return decide_kill(facts, now, m);
    if (m.current->phase == phase::created)
      return {facts.wish == container_wish::stop ? container_step::kill : container_step::start, now};
    return {container_step::watch, wall_time::max()};
  }
  if (facts.wish == container_wish::stop || facts.deleting) {
    // A start that was decided stays so: its back-off has been counted, should the pod begin anew. It waits
    // for nothing any more: how the last instance ended is what there is to show.
    if (m.current) m.waiting_reason = m.waiting_message = {};
    return {container_step::settled, now};
  }
  if (facts.wish == container_wish::hold) return {container_step::idle, now};
  if (!m.next_attempt) {
    auto decision = decide_next_attempt(facts, crash_loop, now, m);
    if (decision.step != container_step::fetch_image) return decision;
  }
  if (m.pull.delay.count() > 0 && !m.pull.reason.empty() && now < m.pull.failed_at.value + m.pull.delay)
    return {container_step::wait, m.pull.failed_at.value + m.pull.delay};
  return {facts.has_image ? container_step::create : container_step::fetch_image, now};
}

void begin_kill(container_memory& m, const kill_memory& wanted, wall_time now, nanoseconds minimum) {
  if (!alive(m)) return;
  nanoseconds grace = std::chrono::seconds{wanted.grace_seconds};
  if (!m.kill) {
    m.kill = wanted;
    m.kill->deadline = {now + grace};
    return;
  }
  // The grace only gets shorter.
  auto deadline = now + (m.kill->signalled ? std::max(grace, minimum) : grace);
  if (wanted.grace_seconds >= m.kill->grace_seconds || deadline >= m.kill->deadline.value) return;
  m.kill->grace_seconds = wanted.grace_seconds;
  m.kill->deadline = {deadline};
}

void note_exit(container_memory& m, const container_exit& exit) {
  if (!m.current || m.current->attempt != exit.key.attempt || m.current->phase == phase::exited) return;
  m.current->phase = phase::exited;
  m.current->exit_code = exit.exit_code;
  m.current->reason = exit.reason;
  m.current->message = exit.message;
  m.current->post_start_due = false;
  // Who left no last words was killed for what is said here; not who ended before any signal.
  if (m.kill && m.kill->signalled && m.kill->reason != "termination" && exit.message.empty())
    m.current->message = m.kill->message;
  if (exit.started_at.time_since_epoch().count() != 0) m.current->started_at = {exit.started_at};
  m.current->finished_at = {exit.finished_at};
  // A kill that a probe or a change asked for is remembered until its successor is made: the exit code does
  // not decide then.
  if (m.kill && m.kill->reason == "termination") m.kill.reset();
  m.started = m.ready = false;
}

bool is_refusal(errc code) {
  return code != errc::timeout && code != errc::unavailable && code != errc::internal
         && code != errc::cancelled;
}

void adopt_record(container_memory& m, const container_record& record, uint32_t round) {
  if (m.current && record.key.attempt < m.current->attempt) return;
  if (!m.current || record.key.attempt > m.current->attempt) {
    if (m.current && m.current->phase == phase::exited) m.previous = std::move(m.current);
    m.current = instance_memory{};
    m.current->attempt = record.key.attempt;
    m.current->round = round;
    m.kill.reset();
    m.next_attempt.reset();
    m.waiting_reason = m.waiting_message = {};
  }
  auto& i = *m.current;
  i.container_id = record.container_id;
  i.image_id = record.image_id;
  m.image = record.image;
  if (record.started_at.time_since_epoch().count() != 0) i.started_at = {record.started_at};
  // Its start was not heard of: its hook may not have been run.
  if (record.phase == phase::running && i.phase == phase::created) i.post_start_due = true;
  if (record.phase == phase::exited)
    note_exit(m, record.exit);
  else
    i.phase = record.phase;
}

std::string kill_text(const std::string& message, const std::string& cause, const container_spec& spec,
                      int64_t grace_seconds, nanoseconds minimum) {
  bool hook = spec.lifecycle_ && spec.lifecycle_->pre_stop && grace_seconds > 0;
  auto own_signal = spec.lifecycle_ ? spec.lifecycle_->stop_signal : std::string{};
  auto out = message + (cause.empty() ? "; " : ": " + cause + "; ") + (hook ? "preStop, then " : "")
             + (own_signal.empty() ? "the stop signal" : own_signal);
  return out + ", SIGKILL after "
         + to_go_duration(std::max<nanoseconds>(std::chrono::seconds{grace_seconds}, minimum));
}

std::string brief(std::string_view output) {
  output = output.substr(0, 256);
  std::string out{output.substr(0, utf8_prefix(output))};
  while (out.ends_with('\n') || out.ends_with('\r') || out.ends_with(' '))
    out.pop_back();
  return out;
}

std::string probe_cause(const probe_spec& spec, const probe_memory& memory) {
  auto times = std::max(1, spec.failure_threshold);
  auto out = std::to_string(times) + (times == 1 ? " failure" : " failures in a row");
  if (memory.output.empty()) return out;
  return out + (times == 1 ? ", " : ", the last: ") + memory.output;
}

namespace {

container_state_terminated terminated_state(const instance_memory& i) {
  container_state_terminated t;
  t.exit_code = i.exit_code;
  t.reason = i.reason;
  t.message = i.message;
  t.started_at = i.started_at.value; // 1970 of one that never ran, as runtimes have it
  t.finished_at = i.finished_at.value;
  t.container_id = i.container_id;
  return t;
}

/// Whether the instance is not through its start. Source: pod-semantics §3.4: the hook is a part of it.
bool in_start(const container_memory& m) {
  return m.current->phase == phase::created || in_post_start(m);
}

/// The image's whole name, as runtimes tell it: the registry and repository that `image_id` was found in,
/// with the tag or digest that was asked for. Where the id names no repository, what was asked for.
std::string whole_name(const std::string& image, const std::string& image_id) {
  auto digest = image_id.find('@');
  if (digest == std::string::npos) return image;
  auto repository = image_id.substr(0, digest);
  if (auto at = image.find('@'); at != std::string::npos) return repository + image.substr(at);
  auto colon = image.find(':', image.rfind('/') == std::string::npos ? 0 : image.rfind('/'));
  return repository + (colon == std::string::npos ? ":latest" : image.substr(colon));
}

} // namespace

bool in_post_start(const container_memory& m) {
  if (!m.current || m.current->phase != phase::running) return false;
  return m.current->post_start_due || (m.kill && m.kill->reason == "postStart");
}

container_status status_of(const found_container& container, const container_memory* m, uint32_t round,
                           const std::string& waiting) {
  container_status out;
  out.name = container.spec->name;
  out.image = container.spec->image;
  bool ephemeral = container.kind == container_kind::ephemeral;
  auto waits = [&] {
    bool known = m && !m->waiting_reason.empty();
    return container_state_waiting{known ? m->waiting_reason : waiting, known ? m->waiting_message : ""};
  };
  if (!m || !m->current) {
    out.state.waiting = waits();
    if (!ephemeral) out.started = false;
    return out;
  }
  // Until the next instance runs, what is shown is the one before it. Source: the kubelet tells of a start
  // once it is through, hook and all.
  auto& current = in_start(*m) && m->previous ? *m->previous : *m->current;
  out.image_id = current.image_id;
  out.image = whole_name(m->image.empty() ? container.spec->image : m->image, current.image_id);
  out.container_id = current.container_id;
  out.restart_count = static_cast<int32_t>(current.attempt);
  if (!ephemeral) out.started = m->started;
  if (m->previous && &current != &*m->previous) out.last_state.terminated = terminated_state(*m->previous);
  switch (current.phase) {
  case phase::created:
    out.state.waiting = waits();
    break;
  case phase::running:
    if (in_post_start(*m))
      out.state.waiting = container_state_waiting{waiting, ""};
    else
      out.state.running = container_state_running{current.started_at.value};
    break;
  case phase::exited:
    // In a new round init containers come first: then it waits for them, else it goes on as after any end.
    if (m->waiting_reason.empty() && (current.round >= round || waiting != "PodInitializing")) {
      out.state.terminated = terminated_state(current);
    } else {
      out.state.waiting = waits();
      out.last_state.terminated = terminated_state(current);
    }
  }
  // Source: pod-semantics §1.3. An init container is ready when it has done its work.
  if (container.kind == container_kind::init)
    out.ready = out.state.terminated && out.state.terminated->exit_code == 0;
  else
    out.ready = m->ready && !ephemeral;
  return out;
}

} // namespace podium
