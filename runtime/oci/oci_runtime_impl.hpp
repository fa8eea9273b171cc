// The state machine behind oci_runtime, in one place for the files that share it.
#pragma once
#include "core/error.hpp"
#include "runtime/loop/result_of.hpp"
#include "runtime/oci/conmon.hpp"
#include "runtime/oci/instance_files.hpp"
#include "runtime/oci/oci_runtime.hpp"
#include "runtime/process/directory_watch.hpp"
#include <deque>
#include <map>

namespace podium {

/// One instance of a container, from create to the removal of its record.
struct instance {
  enum class step { preparing, created, starting, running, exited };
  instance_file file;
  step at = step::preparing;
  unique_fd pidfd; ///< the main process, from its creation to its end
  bool conmon_ended = false;
  bool exit_seen = false; ///< the exit file is there
  bool finishing = false; ///< the end is being looked into
  bool stripped = false;  ///< mounts, cgroup and the runtime's state are gone
  int pending_signal = 0; ///< came while starting
  uint64_t watch = 0, exit_timer = 0;
  std::vector<oci_runtime::answer<container_created>> on_created;
  std::vector<oci_runtime::answer<container_started>> on_started;
  std::vector<oci_runtime::answer<container_exit>> on_exit;
  std::map<uint64_t, std::function<void()>> on_end; ///< by the id of when_ended()
  std::vector<std::function<void()>> on_stripped;
  /// A command that is run only once (a hook), by its name.
  struct once_run {
    std::vector<oci_runtime::answer<exec_result>> waiting;
    std::optional<exec_result> told;
  };
  std::map<std::string, once_run> once;
};
using instance_ptr = std::shared_ptr<instance>;

struct pod_entry {
  enum class step { absent, making, ready, removing };
  sandbox_file file;
  step at = step::absent;  ///< absent, with containers: only records are left
  std::string lost;        ///< not "": why it is of no use: it waits to be removed
  unique_fd init_pidfd;    ///< of the first process of a shared process namespace
  uint64_t init_watch = 0; ///< for its end
  std::vector<oci_runtime::answer<sandbox_end>> on_lost;
  std::vector<oci_runtime::answer<sandbox_info>> on_ready;
  struct removal {
    bool keep_records = false;
    oci_runtime::answer<ack> done;
  };
  std::vector<removal> on_removed;
  std::vector<std::function<void(caf::error)>> wanted_again;          ///< once it is gone
  std::map<uint64_t, std::function<void()>> on_end;                   ///< by the id of when_sandbox_ends()
  std::map<std::string, std::map<uint32_t, instance_ptr>> containers; ///< by name and attempt
};

struct oci_runtime::impl : std::enable_shared_from_this<oci_runtime::impl> {
  impl(event_loop& l, work_pool& p, launcher& c, oci_settings s, find_image i, pod_network_port n)
      : loop(l), pool(p), children(c), directories(std::make_unique<directory_watch>(l)),
        settings(std::move(s)), images(std::move(i)), network(std::move(n)) {}

  event_loop& loop;
  work_pool& pool;
  launcher& children;
  std::unique_ptr<directory_watch> directories;
  oci_settings settings;
  find_image images;
  pod_network_port network;
  oci_runtime_program program;
  std::shared_ptr<const host_facts> host;
  std::shared_ptr<const cgroup_tree> cgroups;
  std::map<std::string, pod_entry> pods; ///< by uid
  std::map<std::string, instance_ptr> by_id;
  std::deque<instance_ptr> to_launch; ///< starts that wait for their turn
  unsigned launching = 0;             ///< starts that have theirs
  uint64_t last_end = 0;              ///< of the ids of when_ended() and when_sandbox_ends()
  unique_fd inotify;
  std::unique_ptr<fd_watch> inotify_watch;
  uint64_t rotation_timer = 0;
  size_t clearing = 0; ///< half made pods of an earlier daemon that are on their way out
  std::vector<std::function<void()>> when_cleared;
  bool stopped = false;

  /// Runs `work` in the pool and `then` with its result on the loop, unless the runtime has been destroyed
  /// meanwhile.
  template <class Work, class Then>
  void in_pool(Work work, Then then) {
    using result = decltype(work());
    auto slot = std::make_shared<std::optional<result>>();
    auto self = shared_from_this();
    bool taken = pool.submit([slot, work = std::move(work)]() mutable { slot->emplace(result_of(work)); },
                             [self, slot, then]() mutable {
                               if (!self->stopped) then(std::move(**slot));
                             });
    if (!taken)
      loop.after(std::chrono::milliseconds{50}, [self, slot, then]() mutable {
        if (!self->stopped)
          then(result(make_error(errc::unavailable, "too much work is queued on this node")));
      });
  }

  // start and adoption
  caf::error choose_program();
  void adopt(found_records found);
  void adopt_instance(found_instance one);
  void adopt_running(const instance_ptr& c);
  void adopt_half_started(const instance_ptr& c, found_instance one);
  void clear_half_started(const instance_ptr& c);
  void watch_exits();
  void exits_changed();
  void rotate_logs();

  // sandboxes
  void create(const create_sandbox& request, answer<sandbox_info> done);
  void make_after_removal(const create_sandbox& request, answer<sandbox_info> done);
  void make_sandbox_parts(const create_sandbox& request);
  void sandbox_addressed(const create_sandbox& request, caf::expected<std::string> ip);
  void sandbox_failed(const std::string& pod_uid, caf::error why);
  /// Watches the first process of a shared process namespace, where there is one.
  void watch_init(const std::string& pod_uid);
  /// Whether the sandbox is of no use any more; also sees an end that has not been told of yet.
  bool is_lost(pod_entry& pod);
  void lose(pod_entry& pod, std::string why);
  /// Nobody waits for the loss of a sandbox that goes.
  void forget_init(pod_entry& pod);
  void continue_removal(const std::string& pod_uid);
  void take_apart(const std::string& pod_uid);
  void taken_apart(const std::string& pod_uid, bool kept, caf::error failed);

  // containers
  instance_ptr find_instance(const container_key& key) const;
  /// errc::stale when a newer attempt is known.
  caf::error fence(const container_key& key) const;
  /// Whose processes an ephemeral container is to see; null: nobody's in particular.
  caf::expected<std::shared_ptr<const target_process>> target_of(const create_container& request,
                                                                 const pod_entry& pod) const;
  void instance_prepared(const instance_ptr& c, caf::expected<instance_file> file);
  void launch(const instance_ptr& c);
  void launch_next();
  void conmon_answered(const instance_ptr& c, conmon_started started);
  void start_created(const instance_ptr& c);
  void runtime_started(const instance_ptr& c, caf::expected<command_result> result);
  void runs(const instance_ptr& c);
  void start_failed(const instance_ptr& c, const std::string& why);
  void drop_old(pod_entry& pod, const container_key& newest);

  // the end
  void conmon_gone(const instance_ptr& c);
  void exit_file_seen(const instance_ptr& c);
  void finish(const instance_ptr& c);
  void finished(const instance_ptr& c, instance_file file);
  void strip(const instance_ptr& c);
  void send_signal(const instance_ptr& c, int number);

  std::vector<std::string> runtime_command(std::vector<std::string> arguments) const;
};

wall_time wall_time_of(int64_t ns);
int64_t wall_ns();
container_exit exit_of(const instance_file& file);
std::string api_container_id(const std::string& id);

} // namespace podium
