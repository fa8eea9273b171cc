// What happened in a simulated node, and the rules that must hold all along.
#pragma once
#include "messages/runtime.hpp"

#include <map>
#include <set>

namespace podium {

enum class sim_event_kind : uint8_t {
  sandbox_created,
  sandbox_removed,
  created,
  started,
  exited,
  signalled,
  removed,
  refused ///< a request that fencing turned away
};
BOOST_DESCRIBE_ENUM(sim_event_kind, sandbox_created, sandbox_removed, created, started, exited, signalled,
                    removed, refused)

struct sim_event {
  clock_time at;
  sim_event_kind kind = sim_event_kind::created;
  container_key key; ///< of a sandbox: the pod's uid alone
  int32_t code = 0;  ///< exit code, or signal number
  std::string note;
};

/// `12.5s started uid/web#0` and the like.
std::string to_string(const sim_event& event);

/// Keeps the events of one node and checks each against what went before: never two running instances of one
/// container, attempts only grow, nothing starts in a sandbox that is not there.
class sim_history {
public:
  void add(sim_event event);

  const std::vector<sim_event>& events() const { return events_; }
  /// Broken rules, one sentence each; empty is good.
  const std::vector<std::string>& violations() const { return violations_; }
  /// The events of one kind of one container, in order ("" is every pod).
  std::vector<sim_event> of(sim_event_kind kind, std::string_view container,
                            std::string_view pod_uid = {}) const;
  size_t count(sim_event_kind kind, std::string_view container, std::string_view pod_uid = {}) const {
    return of(kind, container, pod_uid).size();
  }

private:
  struct container_track {
    std::set<uint32_t> running;
    int64_t last_attempt = -1;
  };
  void check(const sim_event& event);

  std::vector<sim_event> events_;
  std::vector<std::string> violations_;
  std::set<std::string> sandboxes_;
  std::map<std::pair<std::string, std::string>, container_track> containers_;
};

} // namespace podium
