#include "actors/container_order.hpp"

namespace podium {
namespace {

using kind = container_kind;
using phase = container_phase;

/// One container with what is known of it in its present round.
struct member {
  found_container found;
  const container_memory* memory = nullptr; ///< null: nothing of it was made in this round
  restart_terms terms;
  uint32_t round = 0;

  bool alive() const { return memory && memory->current->phase != phase::exited; }
  bool exited() const { return memory && memory->current->phase == phase::exited; }
  bool running() const { return memory && memory->current->phase == phase::running; }
  const std::string& name() const { return found.spec->name; }
  restart_action next() const {
    return memory ? next_action(terms, *memory, round) : restart_action::restart;
  }
  /// It needs no more of the pod: the next one may come.
  bool through() const {
    if (found.kind == kind::sidecar) return running() && memory->started;
    return exited() && memory->current->exit_code == 0 && memory->current->reason != "OOMKilled";
  }
};

std::vector<member> members_of(const pod_spec& spec, const pod_memory& memory) {
  std::vector<member> out;
  for (auto& found : containers_of(spec)) {
    member m{found, nullptr, restart_terms_of(spec, found), round_of(memory, found.spec->name)};
    auto known = memory.containers.find(found.spec->name);
    if (known != memory.containers.end() && known->second.current && known->second.current->round >= m.round)
      m.memory = &known->second;
    out.push_back(std::move(m));
  }
  return out;
}

bool is_init(const member& m) {
  return m.found.kind == kind::init || m.found.kind == kind::sidecar;
}

std::string ended_with(const member& m) {
  return "container " + m.name() + " ended with exit code " + std::to_string(m.memory->current->exit_code);
}

/// The init containers' wishes; true when the regular ones may run.
bool order_init(const std::vector<member>& all, pod_orders& out) {
  // Exited ones do not count: a pod all of whose containers have ended looks at its init containers again.
  bool initialised = false;
  for (auto& m : all)
    initialised = initialised || (m.found.kind == kind::regular && m.alive());
  const member* last = nullptr; // the latest of which there is something
  size_t last_index = 0, count = 0;
  for (size_t i = 0; i < all.size() && is_init(all[i]); ++i, ++count)
    if (all[i].memory) last = &all[i], last_index = i;
  auto wish = [&](const member& m, bool run) {
    out.containers[m.name()] = {run ? container_wish::run : container_wish::hold};
  };
  bool next_may_run = !last || last->through();
  for (size_t i = 0; i < count; ++i) {
    auto& m = all[i];
    bool sidecar = m.found.kind == kind::sidecar;
    bool turn = last ? i == last_index || (i == last_index + 1 && next_may_run) : i == 0;
    if (initialised)
      wish(m, sidecar);
    else
      wish(m, turn || (sidecar && last && i < last_index));
  }
  if (initialised || count == 0) return true;
  if (last && last->found.kind == kind::init && last->exited() && !last->through()
      && last->next() == restart_action::none)
    out.over = "init " + ended_with(*last);
  return last && last_index + 1 == count && next_may_run;
}

/// Source: pod-semantics §3.1.5: nothing kept and nothing to start. Sidecars are not asked.
bool regular_ones_are_over(const std::vector<member>& all) {
  bool any = false;
  for (auto& m : all) {
    if (m.found.kind != kind::regular) continue;
    any = true;
    if (!m.exited() || m.next() != restart_action::none) return false;
  }
  return any;
}

/// Source: pod-semantics §3.6: sidecars wait for all regular containers and for the next later sidecar.
void order_end(const std::vector<member>& all, const pod_memory& memory, pod_orders& out) {
  auto still_there = [&](const member& m) {
    auto known = memory.containers.find(m.name());
    return known != memory.containers.end() && known->second.current
           && known->second.current->phase != phase::exited;
  };
  bool regular_alive = false, later_alive = false;
  for (auto& m : all)
    regular_alive = regular_alive || (m.found.kind == kind::regular && still_there(m));
  for (auto m = all.rbegin(); m != all.rend(); ++m) {
    bool sidecar = m->found.kind == kind::sidecar;
    out.containers[m->name()] = {container_wish::stop, sidecar && (regular_alive || later_alive)};
    if (sidecar) later_alive = still_there(*m);
  }
}

} // namespace

uint32_t round_of(const pod_memory& memory, const std::string& container) {
  auto i = memory.rounds.find(container);
  return i == memory.rounds.end() ? 0 : i->second;
}

pod_orders order_containers(const pod_spec& spec, const pod_memory& memory, pod_stage stage) {
  pod_orders out;
  auto all = members_of(spec, memory);
  if (stage == pod_stage::ending || stage == pod_stage::renewing) {
    order_end(all, memory, out);
    return out;
  }
  for (auto& m : all)
    if (m.exited() && m.next() == restart_action::restart_all)
      out.reset = "restart rule RestartAllContainers: " + ended_with(m);
  if (!out.reset.empty()) {
    // All at once, sidecars too: nobody waits for a turn in no grace.
    for (auto& m : all)
      out.containers[m.name()] = {m.found.kind == kind::ephemeral ? container_wish::run
                                                                  : container_wish::stop};
    return out;
  }
  if (regular_ones_are_over(all)) out.over = "all containers have ended";
  bool go = order_init(all, out);
  for (auto& m : all)
    if (m.found.kind == kind::ephemeral || m.found.kind == kind::regular) {
      bool run = m.found.kind == kind::ephemeral || go;
      out.containers[m.name()] = {run ? container_wish::run : container_wish::hold};
    }
  if (stage == pod_stage::preparing)
    for (auto& [name, order] : out.containers)
      order = {};
  return out;
}

void begin_new_round(const pod_spec& spec, pod_memory& memory) {
  for (auto& c : containers_of(spec))
    if (c.kind != kind::ephemeral) ++memory.rounds[c.spec->name];
}

bool begin_in_new_sandbox(const pod_spec& spec, pod_memory& memory) {
  bool any = false;
  for (auto& [name, m] : memory.containers)
    any = any || m.current;
  if (spec.restart_policy == "Never" && any) return false;
  for (auto& m : members_of(spec, memory)) {
    if (m.found.kind == kind::ephemeral) continue;
    bool succeeded = m.found.kind == kind::regular && m.terms.policy == "OnFailure" && m.through();
    if (!succeeded) ++memory.rounds[m.name()];
  }
  return true;
}

} // namespace podium
