// A simulated node's outside world: sandboxes and containers that live on when the actors above them die.
#pragma once
#include "core/actor_env.hpp"
#include "core/error.hpp"
#include "messages/object.hpp"
#include "runtime/sim/sim_history.hpp"
#include "runtime/sim/sim_profile.hpp"

#include <functional>

namespace podium {

/// An outcome and when it is there.
template <class T>
struct sim_due {
  clock_time at;
  caf::expected<T> value;
};

/// The containers of one node as a discrete-event world: its state is a function of time, so that exits take
/// place at their instant whether or not an actor looks. Every call is given the present instant and first
/// catches up to it. Single-threaded, like the simulation.
class sim_world {
public:
  /// `name` makes ids and addresses the node's own; `ip_prefix` is two octets: "10.244".
  explicit sim_world(env_ptr env, std::string name = "node", std::string ip_prefix = "10.244");

  // -- the script -------------------------------------------------------------------------------------------

  /// For containers created from now on; answers of commands and ports change at once, also of running ones.
  void set_profile(std::string pattern, sim_profile profile) {
    profiles_.set(std::move(pattern), std::move(profile));
  }
  /// How long sandboxes take, and how many of the next fail (-1: all).
  nanoseconds sandbox_delay{0};
  int32_t fail_sandboxes = 0;
  machine_facts facts; ///< 4 CPUs, 8 GiB, 110 pods unless changed

  /// Ends the running instance of a container, as if it had ended by itself. False when none runs.
  bool end_container(std::string_view pod_uid, std::string_view name, int32_t exit_code, clock_time now);
  /// The first process of a pod's shared process namespace ends, and all in there with it: the sandbox is
  /// lost. False when the pod has none.
  bool end_first_process(const std::string& pod_uid, clock_time now);
  /// The machine loses power: all containers and sandboxes are gone without a trace in list().
  void lose_power(clock_time now);
  /// The sandboxes that are there have lost their network: as a restart of the daemon may find them.
  void lose_networks();

  // -- what the runtime port asks
  // ------------------------------------------------------------------------------

  sim_due<sandbox_info> create(const create_sandbox& request, clock_time now);
  /// Why a sandbox is of no use any more; empty while it is. Error not_found: it is not there.
  caf::expected<std::optional<sandbox_end>> loss_of(const wait_sandbox& request) const;
  void remove(const remove_sandbox& request, clock_time now);
  sim_due<container_created> create(const create_container& request, clock_time now);
  /// When the start is through; started() then tells how it went.
  sim_due<container_started> start(const container_key& key, clock_time now);
  caf::expected<container_started> started(const container_key& key, clock_time now);
  /// The exit of an instance that has ended; empty while it has not. Error not_found: there is no record.
  caf::expected<std::optional<container_exit>> exit_of(const container_key& key, clock_time now);
  caf::expected<ack> signal(const signal_container& request, clock_time now);
  caf::expected<ack> remove(const remove_container& request, clock_time now);
  sim_due<exec_result> exec(const exec_sync& request, clock_time now);
  runtime_records list(const std::string& pod_uid, clock_time now);

  /// What a port of a running container answers to a probe; null is a closed port. `path` null is TCP.
  const sim_port* port(const container_key& key, int32_t number, const std::string* path, clock_time now);
  /// The pod's address, "" when it has no sandbox.
  std::string pod_ip(const std::string& pod_uid) const;
  bool runs(const container_key& key, clock_time now);
  /// What the newest instance of a container was made from; null when there was none.
  const create_container* made_from(const std::string& pod_uid, const std::string& name) const;

  // -- time
  // -----------------------------------------------------------------------------------------------------

  /// Lets everything happen that is due by `now`.
  void advance(clock_time now);
  /// When something happens next by itself.
  std::optional<clock_time> next_event() const;
  /// All exits so far, in order: a reader keeps its place.
  const std::vector<container_exit>& exits() const { return exits_; }
  /// Calls `f` when the script changed something outside the port; returns a number for unsubscribe.
  uint64_t subscribe(std::function<void()> f);
  void unsubscribe(uint64_t number) { listeners_.erase(number); }

  /// Everything that happened up to the last call.
  const sim_history& history() const { return history_; }
  const sim_history& history(clock_time now) {
    advance(now);
    return history_;
  }

private:
  enum class stage : uint8_t { created, starting, running, exited };
  struct instance {
    container_key key;
    std::string id, image, image_id, pod_name, pod_namespace;
    sim_profile profile;
    stage at = stage::created;
    clock_time created_at, ready_at, start_at, started_at;
    int64_t memory_limit_bytes = 0;
    std::string start_error; ///< why it never ran
    bool ever_ran = false;
    bool removed = false; ///< kept for its log and record alone
    container_exit exit;
    uint64_t plan = 0; ///< of the events planned for it, only this one counts
    clock_time plan_at;
  };
  struct container_slot {
    int64_t highest = -1; ///< the newest attempt ever, also after removal: the fence
    int32_t failed_creates = 0, failed_starts = 0;
    std::map<uint32_t, instance> instances;
    std::optional<create_container> made_from;
  };
  struct planned {
    container_key key{};
    uint64_t plan = 0;
    stage next = stage::exited;
    int32_t exit_code = 0;
    std::string reason{}, message{};
  };
  struct sandbox {
    create_sandbox spec;
    sandbox_info info;
  };

  container_slot& slot_of(const container_key& key) { return slots_[{key.pod_uid, key.name}]; }
  instance* find(const container_key& key);
  caf::error refuse(const container_key& key, errc code, std::string why, clock_time now);
  caf::expected<instance*> newest(const container_key& key, clock_time now);
  void plan(instance& x, clock_time at, planned what);
  void plan_exit(instance& x, clock_time at, int32_t code, std::string reason, std::string message = {});
  void happen(const planned& event, clock_time at);
  void began(instance& x, clock_time at);
  void ended(instance& x, clock_time at, int32_t code, std::string reason, std::string message);
  void note(clock_time at, sim_event_kind kind, const container_key& key, int32_t code = 0,
            std::string text = {});
  void changed();
  std::string hex_id();
  container_record record_of(const instance& x) const;

  env_ptr env_;
  random_stream ids_;
  std::string ip_prefix_;
  sim_profiles profiles_;
  std::map<std::string, sandbox> sandboxes_;
  std::map<std::pair<std::string, std::string>, container_slot> slots_;
  std::multimap<clock_time, planned> events_;
  std::vector<container_exit> exits_;
  sim_history history_;
  std::map<uint64_t, std::function<void()>> listeners_;
  uint64_t last_listener_ = 0, last_plan_ = 0;
  uint32_t addresses_ = 1;
};

} // namespace podium
