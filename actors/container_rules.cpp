#include "actors/container_rules.hpp"

#include "actors/restart_rules.hpp"

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
  if (!kill.signalled) return {container_step::terminate, now};
  if (now >= kill.deadline.value) return {container_step::kill, now};
  return {container_step::watch, kill.deadline.value};
}

/// A start is decided once: attempt and back-off move here and nowhere else.
container_decision decide_next_attempt(const container_facts& facts, const node_settings& settings,
                                       wall_time now, container_memory& m) {
  if (!m.current) {
    m.next_attempt = 0;
    return {container_step::fetch_image, now};
  }
  if (!will_restart(facts.policy, m)) {
    m.waiting_reason.clear();
    return {container_step::settled, now};
  }
  auto decision = decide_restart(settings.crash_loop, m.current->finished_at.value, now, m.back_off);
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

bool will_restart(std::string_view policy, const container_memory& m) {
  if (!m.current || m.current->phase != phase::exited) return true;
  // Source: pod-semantics §3.1.4. A changed container is replaced whatever its policy; one that failed a
  // probe unless Never.
  if (m.kill && m.kill->reason == "spec") return true;
  if (m.kill && m.kill->reason != "termination" && policy != "Never") return true;
  return should_restart(policy, m.current->exit_code);
}

bool image_changed(const container_spec& spec, const container_memory& m) {
  return alive(m) && !m.image.empty() && m.image != spec.image;
}

container_decision decide_container(const container_facts& facts, const node_settings& settings,
                                    wall_time now, container_memory& m) {
  if (alive(m) && !m.next_attempt) {
    if (m.kill) return decide_kill(facts, now, m);
    if (m.current->phase == phase::created)
      return {facts.wish == container_wish::stop ? container_step::kill : container_step::start, now};
    return {container_step::watch, wall_time::max()};
  }
  if (facts.wish == container_wish::stop || facts.deleting) {
    m.next_attempt.reset();
    // It waits for nothing any more: how the last instance ended is what there is to show.
    if (m.current) m.waiting_reason = m.waiting_message = {};
    return {container_step::settled, now};
  }
  if (facts.wish == container_wish::hold) return {container_step::idle, now};
  if (!m.next_attempt) {
    auto decision = decide_next_attempt(facts, settings, now, m);
    if (decision.step != container_step::fetch_image) return decision;
  }
  if (m.pull.delay.count() > 0 && !m.pull.reason.empty() && now < m.pull.failed_at.value + m.pull.delay)
    return {container_step::wait, m.pull.failed_at.value + m.pull.delay};
  return {facts.has_image ? container_step::create : container_step::fetch_image, now};
}

void begin_kill(container_memory& m, const kill_memory& wanted, wall_time now) {
  if (!alive(m)) return;
  auto deadline = now + std::chrono::seconds{wanted.grace_seconds};
  if (!m.kill) {
    m.kill = wanted;
    m.kill->deadline = {deadline};
  } else if (wanted.grace_seconds < m.kill->grace_seconds && deadline < m.kill->deadline.value) {
    m.kill->grace_seconds = wanted.grace_seconds;
    m.kill->deadline = {deadline};
  }
}

void note_exit(container_memory& m, const container_exit& exit) {
  if (!m.current || m.current->attempt != exit.key.attempt || m.current->phase == phase::exited) return;
  m.current->phase = phase::exited;
  m.current->exit_code = exit.exit_code;
  m.current->reason = exit.reason;
  m.current->message = exit.message;
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

void adopt_record(container_memory& m, const container_record& record) {
  if (m.current && record.key.attempt < m.current->attempt) return;
  if (!m.current || record.key.attempt > m.current->attempt) {
    if (m.current && m.current->phase == phase::exited) m.previous = std::move(m.current);
    m.current = instance_memory{};
    m.current->attempt = record.key.attempt;
    m.kill.reset();
    m.next_attempt.reset();
    m.waiting_reason = m.waiting_message = {};
  }
  auto& i = *m.current;
  i.container_id = record.container_id;
  i.image_id = record.image_id;
  m.image = record.image;
  if (record.started_at.time_since_epoch().count() != 0) i.started_at = {record.started_at};
  if (record.phase == phase::exited)
    note_exit(m, record.exit);
  else
    i.phase = record.phase;
}

namespace {

container_state_terminated terminated_state(const instance_memory& i) {
  container_state_terminated t;
  t.exit_code = i.exit_code;
  t.reason = i.reason;
  t.message = i.message;
  if (i.started_at.value.time_since_epoch().count() != 0) t.started_at = i.started_at.value;
  t.finished_at = i.finished_at.value;
  t.container_id = i.container_id;
  return t;
}

} // namespace

container_status status_of(const container_spec& spec, const container_memory* m, bool pod_initialized) {
  container_status out;
  out.name = spec.name;
  out.image = spec.image;
  if (!m || !m->current) {
    auto reason = m && !m->waiting_reason.empty()
                      ? m->waiting_reason
                      : (pod_initialized ? "ContainerCreating" : "PodInitializing");
    out.state.waiting = container_state_waiting{reason, m ? m->waiting_message : ""};
    out.started = false;
    return out;
  }
  auto& current = *m->current;
  out.image_id = current.image_id;
  out.container_id = current.container_id;
  out.restart_count = static_cast<int32_t>(current.attempt);
  out.started = m->started;
  out.ready = m->ready;
  if (m->previous) out.last_state.terminated = terminated_state(*m->previous);
  switch (current.phase) {
  case phase::created:
    out.state.waiting = container_state_waiting{
        m->waiting_reason.empty() ? std::string{"ContainerCreating"} : m->waiting_reason, m->waiting_message};
    break;
  case phase::running:
    out.state.running = container_state_running{current.started_at.value};
    break;
  case phase::exited:
    if (m->waiting_reason.empty()) {
      out.state.terminated = terminated_state(current);
    } else {
      out.state.waiting = container_state_waiting{m->waiting_reason, m->waiting_message};
      out.last_state.terminated = terminated_state(current);
    }
  }
  return out;
}

} // namespace podium
