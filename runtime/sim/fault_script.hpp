// Faults on messages, by rule: the nth, every, or some messages to certain actors are dropped, delayed or
// doubled.
#pragma once
#include "core/actor_env.hpp"
#include "runtime/sim/message_names.hpp"

#include <functional>
#include <limits>
#include <vector>

namespace podium {

/// Which messages a fault meets, and what it does to them.
struct fault_rule {
  std::string receiver = "*"; ///< glob over the receiver's path
  std::string message = "*";  ///< glob over the message's type: `exec_sync`, `container_exit`, `error`
  std::string sender = "*";   ///< glob over the sender's path
  fault_verdict::kind what = fault_verdict::kind::drop;
  nanoseconds delay{0};     ///< for kind::delay: the least
  nanoseconds delay_max{0}; ///< for kind::delay: up to here, drawn uniformly; 0 is `delay` itself
  uint64_t skip = 0;        ///< matching messages that pass before the rule acts
  uint64_t count = std::numeric_limits<uint64_t>::max(); ///< how many it then judges
  uint32_t per_million = 1'000'000;                      ///< the chance that one of those is met
  clock_time from = clock_time::min();                   ///< the rule acts in [from, until)
  clock_time until = clock_time::max();
};

/// The nth matching message alone (n from 1).
fault_rule nth_message(uint64_t n, fault_rule rule);

/// Judges by the first rule that matches and is not used up. Decisions are drawn from the seed, one stream
/// per rule. For simulation: it counts without locks. It must outlive the system it is set in.
class fault_script final : public fault_filter {
public:
  /// `now` is the clock for rules with a time window.
  fault_script(uint64_t seed, std::vector<fault_rule> rules, std::function<clock_time()> now = {});

  fault_verdict judge(std::string_view receiver, const caf::mailbox_element& element) const override;

  /// How many messages rule `index` met.
  uint64_t met(size_t index) const { return state_.at(index).met; }

private:
  struct rule_state {
    random_stream draws;
    uint64_t matched = 0, met = 0;
  };

  std::vector<fault_rule> rules_;
  std::function<clock_time()> now_;
  mutable std::vector<rule_state> state_;
  mutable message_names names_;
};

} // namespace podium
