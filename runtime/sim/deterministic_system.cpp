#include "runtime/sim/deterministic_system.hpp"

#include <algorithm>
#include <caf/detail/test_actor_clock.hpp>
#include <cstdio>
#include <stdexcept>

namespace podium {

namespace {

/// Reaches the clock's schedule, which CAF shows read-only: pointers to protected members are taken by a
/// derived class.
struct clock_access : caf::detail::test_actor_clock {
  static schedule_map& schedule_of(caf::detail::test_actor_clock& clock) {
    return clock.*(&clock_access::schedule_);
  }
  static actor_lookup_map& lookup_of(caf::detail::test_actor_clock& clock) {
    return clock.*(&clock_access::actor_lookup_);
  }
};

} // namespace

deterministic_system::deterministic_system(simulation_options options)
    : options_(options), trace_(options.hashing, options.keep_lines),
      order_(random_stream{options.seed}.fork("order of actors")),
      timer_order_(random_stream{options.seed}.fork("order of timers")) {
  config_.set("scheduler.policy", caf::atom("testing"));
  system_ = std::make_unique<caf::actor_system>(config_);
  scheduler_ = &dynamic_cast<caf::scheduler::test_coordinator&>(system_->scheduler());
  start_ = scheduler_->clock().now();
  auto epoch = *parse_rfc3339("2026-01-01T00:00:00Z");
  env_ = std::make_shared<actor_env>(options.seed, epoch.time_since_epoch() - start_.time_since_epoch(),
                                     &trace_);
}

deterministic_system::~deterministic_system() {
  env_->set_faults(nullptr);
  for (auto& address : adopted_)
    if (auto actor = caf::actor_cast<caf::strong_actor_ptr>(address))
      actor->enqueue(nullptr, caf::make_message_id(),
                     caf::make_message(caf::exit_msg{address, caf::exit_reason::kill}), nullptr);
  // Pending timers hold their actors; what runs may set new ones.
  do {
    scheduler_->clock().cancel_all();
    scheduler_->run();
  } while (!scheduler_->clock().schedule().empty());
  if (auto left = system_->registry().running(); left > 0) {
    std::fprintf(stderr,
                 "podium: %zu actors live on after the simulation: spawn them through the "
                 "deterministic_system, or adopt() them\n",
                 static_cast<size_t>(left));
    std::abort();
  }
}

caf::scheduler::test_coordinator& deterministic_system::scheduler() {
  return *scheduler_;
}

size_t deterministic_system::run_ready() {
  auto before = delivered_;
  drain();
  while (step(now())) {
  }
  return delivered_ - before;
}

void deterministic_system::drain() {
  auto& jobs = scheduler_->jobs;
  if (now() != instant_) {
    instant_ = now();
    in_instant_ = 0;
  }
  while (!jobs.empty()) {
    if (options_.shuffle && jobs.size() > 1) {
      auto drawn = order_.below(jobs.size());
      std::swap(jobs.front(), jobs[drawn]);
    }
    scheduler_->try_run_once();
    ++delivered_;
    if (++in_instant_ > options_.messages_per_instant)
      throw std::runtime_error("the simulation does not leave the instant " + to_go_duration(elapsed()) + ": "
                               + std::to_string(in_instant_) + " messages\n" + recent_lines());
  }
}

bool deterministic_system::step(clock_time end) {
  auto& clock = scheduler_->clock();
  auto& schedule = clock.schedule();
  if (schedule.empty() || schedule.begin()->first > end) return false;
  auto due = schedule.begin()->first;
  if (options_.permute_timers) permute_due(due);
  clock.advance_time(std::max(due - clock.now(), nanoseconds{0}));
  drain();
  return true;
}

void deterministic_system::run_until(clock_time end) {
  drain();
  while (step(end)) {
  }
  if (end > now()) scheduler_->advance_time(end - now());
  run_ready();
}

bool deterministic_system::run_until(const std::function<bool()>& done, nanoseconds limit) {
  auto end = now() + limit;
  drain();
  while (!done()) {
    if (step(end)) continue;
    if (end > now()) scheduler_->advance_time(end - now());
    run_ready();
    return done();
  }
  return true;
}

/// Draws the order of the timers of one instant. Delayed messages to one actor keep theirs: two of them may
/// come from one sender, and what that sends stays in order unless a fault says otherwise.
void deterministic_system::permute_due(clock_time due) {
  using caf::detail::simple_actor_clock;
  auto& clock = scheduler_->clock();
  auto& schedule = clock_access::schedule_of(clock);
  auto [first, last] = schedule.equal_range(due);
  if (std::next(first) == last) return;
  struct entry {
    uint64_t key;
    simple_actor_clock::unique_delayed_event_ptr event;
  };
  std::vector<entry> entries;
  auto salt = timer_order_.next();
  for (auto i = first; i != last; ++i) {
    bool message = i->second->subtype == simple_actor_clock::actor_msg_type;
    uint64_t key =
        message ? random_stream{salt ^ static_cast<simple_actor_clock::actor_msg&>(*i->second).receiver->id()}
                      .next()
                : timer_order_.next();
    entries.push_back({key, std::move(i->second)});
  }
  std::stable_sort(entries.begin(), entries.end(), [](auto& a, auto& b) { return a.key < b.key; });
  auto none = clock_access::lookup_of(clock).end();
  auto slot = first;
  for (auto& e : entries) {
    slot->second = std::move(e.event);
    if (slot->second->backlink != none) slot->second->backlink->second = slot;
    ++slot;
  }
}

std::string deterministic_system::recent_lines() const {
  std::string out;
  for (auto& line : trace_.lines())
    out += line + "\n";
  return out;
}

} // namespace podium
