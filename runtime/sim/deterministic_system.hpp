// An actor system under virtual time: the production actors, one thread, every order drawn from a seed.
#pragma once
#include "core/base_actor.hpp"
#include "runtime/sim/message_trace.hpp"

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <optional>

namespace podium {

/// How a simulation runs. The defaults explore: FIFO order is for who reads a trace by hand.
struct simulation_options {
  uint64_t seed = 1;
  bool shuffle = true;        ///< which ready actor is next is drawn; off: first come, first served
  bool permute_timers = true; ///< timers due at the same instant fire in a drawn order
  bool hashing = true;        ///< hash every delivered message
  size_t keep_lines = 0;      ///< how many last lines of the trace are kept
  /// More messages than this in one instant is a loop that virtual time cannot leave: std::runtime_error.
  uint64_t messages_per_instant = 20'000'000;
};

/// An answer that may come later, from deterministic_system::post.
template <class Reply>
class pending_answer {
public:
  bool ready() const { return slot_->has_value(); }
  /// The reply or the error; only when ready().
  const caf::expected<Reply>& value() const { return slot_->value(); }

private:
  friend class deterministic_system;
  std::shared_ptr<std::optional<caf::expected<Reply>>> slot_ =
      std::make_shared<std::optional<caf::expected<Reply>>>();
};

namespace detail {

/// Asks one question and ends with the answer.
template <class Reply, class Handle, class Message>
class asker final : public caf::event_based_actor {
public:
  asker(caf::actor_config& cfg, Handle to, Message message, nanoseconds timeout,
        std::shared_ptr<std::optional<caf::expected<Reply>>> slot)
      : caf::event_based_actor(cfg), to_(std::move(to)), message_(std::move(message)), timeout_(timeout),
        slot_(std::move(slot)) {}
  const char* name() const override { return "asker"; }
  caf::behavior make_behavior() override {
    auto pending = request(to_, timeout_, std::move(message_));
    auto id = pending.id();
    pending.then(
        [this, id](const Reply& reply) {
          clock().cancel_request_timeout(this, id);
          slot_->emplace(reply);
        },
        [this, id](caf::error& e) {
          clock().cancel_request_timeout(this, id);
          slot_->emplace(std::move(e));
        });
    to_ = Handle{};
    return {};
  }

private:
  Handle to_;
  Message message_;
  nanoseconds timeout_;
  std::shared_ptr<std::optional<caf::expected<Reply>>> slot_;
};

} // namespace detail

/// Owns an actor system on CAF's testing coordinator and drives it. Wall time begins at 2026-01-01T00:00:00Z
/// in every run. Single-threaded: only the owner's thread may touch it or its actors.
class deterministic_system {
public:
  explicit deterministic_system(simulation_options options = {});
  explicit deterministic_system(uint64_t seed) : deterministic_system(simulation_options{.seed = seed}) {}
  /// Ends every actor that was spawned or adopted here. Aborts with a message when one lives on: CAF would
  /// wait for it for ever.
  ~deterministic_system();
  deterministic_system(const deterministic_system&) = delete;
  deterministic_system& operator=(const deterministic_system&) = delete;

  const env_ptr& env() const { return env_; }
  caf::actor_system& system() { return *system_; }
  clock_time now() { return scheduler().clock().now(); }
  wall_time wall_now() { return env_->epoch.at(now()); }
  /// Virtual time since the simulation began.
  nanoseconds elapsed() { return now() - start_; }

  /// Runs until no actor has a message left and no timer is due at this instant. Returns how many messages
  /// were delivered.
  size_t run_ready();
  /// Goes on to `end`, from due time to due time.
  void run_until(clock_time end);
  void run_for(nanoseconds duration) { run_until(now() + duration); }
  /// Goes on until `done` holds, asked after each instant, but at most for `limit`. Returns whether it holds.
  bool run_until(const std::function<bool()>& done, nanoseconds limit);

  /// Messages delivered to all actors so far.
  uint64_t messages() const { return delivered_; }
  /// The hash over all messages to podium's actors so far.
  uint64_t hash() const { return trace_.hash(); }
  const message_trace& trace() const { return trace_; }
  message_trace& trace() { return trace_; }
  /// The kept lines of the trace, one a line.
  std::string recent_lines() const;

  /// Spawns a podium actor: T(env, path, args...).
  template <class T, class... Ts>
  typename T::interface spawn(std::string path, Ts&&... args) {
    auto handle = system_->spawn<T>(env_, std::move(path), std::forward<Ts>(args)...);
    adopt(handle);
    return handle;
  }
  /// Sees to it that an actor spawned elsewhere ends with the system.
  template <class Handle>
  void adopt(const Handle& handle) {
    adopted_.push_back(handle->address());
  }
  /// Kills an actor as if its process were gone, and lets the news spread.
  template <class Handle>
  void kill(const Handle& handle) {
    caf::anon_send_exit(handle, caf::exit_reason::kill);
    run_ready();
  }

  /// Sends a request; the answer appears as the system runs.
  template <class Reply, class Handle, class Message>
  pending_answer<Reply> post(const Handle& to, Message message,
                             nanoseconds timeout = std::chrono::hours{24}) {
    pending_answer<Reply> answer;
    system_->spawn<detail::asker<Reply, Handle, Message>>(to, std::move(message), timeout, answer.slot_);
    return answer;
  }
  /// Sends a request and runs the system until it is answered; errc::timeout after `timeout` of virtual time.
  template <class Reply, class Handle, class Message>
  caf::expected<Reply> ask(const Handle& to, Message message, nanoseconds timeout = std::chrono::minutes{1}) {
    auto answer = post<Reply>(to, std::move(message), timeout);
    if (!run_until([&] { return answer.ready(); }, timeout))
      return make_error(errc::timeout, "no answer within " + to_go_duration(timeout));
    return answer.value();
  }

private:
  caf::scheduler::test_coordinator& scheduler();
  void drain();
  bool step(clock_time end);
  void permute_due(clock_time due);

  simulation_options options_;
  message_trace trace_;
  random_stream order_;
  random_stream timer_order_;
  env_ptr env_;
  caf::actor_system_config config_;
  std::unique_ptr<caf::actor_system> system_;
  caf::scheduler::test_coordinator* scheduler_ = nullptr;
  clock_time start_, instant_;
  uint64_t in_instant_ = 0;
  uint64_t delivered_ = 0;
  std::vector<caf::actor_addr> adopted_;
};

} // namespace podium
