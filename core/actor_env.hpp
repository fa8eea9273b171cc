// What every actor is given at birth: wall time, randomness, and the places where faults and traces hook in.
#pragma once
#include "core/random.hpp"
#include "core/time.hpp"

#include <atomic>
#include <caf/fwd.hpp>
#include <caf/mailbox_element.hpp>
#include <memory>
#include <string>
#include <string_view>

namespace podium {

/// What is to happen to one message on its way into a mailbox.
struct fault_verdict {
  enum class kind : uint8_t { pass, drop, delay, duplicate };
  kind what = kind::pass;
  nanoseconds delay{0}; ///< for kind::delay: how long the message is held
};

/// Judges messages on the sender's thread: an implementation is immutable, or synchronises itself.
class fault_filter {
public:
  virtual ~fault_filter() = default;
  /// `receiver` is the path of the actor whose mailbox the element is for.
  virtual fault_verdict judge(std::string_view receiver, const caf::mailbox_element& element) const = 0;
};

/// Sees every message that is handed to an actor, in order: simulation hashes them.
class trace_sink {
public:
  virtual ~trace_sink() = default;
  /// Called inside the actor's guard: what it throws is an exception in the handler. `self` may be sent an
  /// exit.
  virtual void delivered(std::string_view receiver, const caf::mailbox_element& element, clock_time at,
                         const caf::strong_actor_ptr& self) = 0;
};

/// Shared by all actors of one system. Immutable but for the wall-clock offset and the fault filter.
class actor_env {
public:
  explicit actor_env(uint64_t random_seed, nanoseconds epoch_offset = nanoseconds{0},
                     trace_sink* sink = nullptr)
      : epoch(epoch_offset), seed(random_seed), trace(sink) {}

  epoch_clock epoch;
  const uint64_t seed;
  trace_sink* const trace;

  /// A random stream that belongs to `path` alone, the same in every run with this seed.
  random_stream stream(std::string_view path) const { return random_stream{seed}.fork(path); }

  /// Sets the filter that judges every message from now on; null passes all. The filter must outlive the
  /// system.
  void set_faults(const fault_filter* filter) { faults_.store(filter, std::memory_order_release); }
  const fault_filter* faults() const { return faults_.load(std::memory_order_acquire); }

private:
  std::atomic<const fault_filter*> faults_{nullptr};
};

using env_ptr = std::shared_ptr<actor_env>;

} // namespace podium
