// oci_runtime: taking over what an earlier daemon left, whenever it ended.
#include "runtime/oci/oci_runtime_impl.hpp"
#include "runtime/oci/small_files.hpp"
#include "runtime/process/process_tree.hpp"
#include <charconv>
#include <csignal>
#include <poll.h>
#include <sys/stat.h>

namespace podium {
namespace {

/// For a conmon that was sent SIGKILL.
constexpr int conmon_end_ms = 10'000;

std::string status_in(const std::string& text) {
  boost::system::error_code ec;
  auto value = boost::json::parse(text, ec);
  auto* object = ec ? nullptr : value.if_object();
  auto* status = object ? object->if_contains("status") : nullptr;
  return status && status->is_string() ? std::string{status->get_string()} : std::string{};
}

void end_tree(pid_t root) {
  auto fd = open_pidfd(root);
  kill_tree(root);
  if (!fd) return;
  pollfd ended{fd->get(), POLLIN, 0};
  ::poll(&ended, 1, conmon_end_ms);
}

/// What came of a start that the daemon did not see the end of: a container that runs or has run, or else
/// nothing, since whatever there is of it is killed. `status` is what the runtime says.
instance_file judge_start(const oci_settings& settings, const cgroup_tree& cgroups,
                          const found_instance& found, const std::string& status) {
  auto file = found.file;
  auto paths = paths_of(settings, file.key, file.id);
  struct stat pidfile {
  }, exit_file{};
  auto text = read_small_file(paths.pidfile, 32);
  int32_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  bool made = pid > 0 && ::stat(paths.pidfile.c_str(), &pidfile) == 0;
  bool ended = ::stat((exit_directory(settings) + "/" + file.id).c_str(), &exit_file) == 0;
  if (made && (ended || (found.conmon > 0 && status == "running"))) {
    file.phase = container_phase::running;
    file.pid = pid;
    file.pid_start = facts_of(pid).start_ticks;
    file.conmon_pid = found.conmon;
    file.conmon_start = found.conmon > 0 ? facts_of(found.conmon).start_ticks : 0;
    file.started_ns = pidfile.st_mtim.tv_sec * 1'000'000'000LL + pidfile.st_mtim.tv_nsec;
    save_instance(settings, file);
    return file;
  }
  if (found.conmon > 0) end_tree(found.conmon);
  cgroups.kill_all(paths.cgroup);
  return file;
}

} // namespace

void oci_runtime::impl::adopt(found_records found) {
  auto boot = boot_id();
  for (auto& sandbox : found.sandboxes) {
    auto& pod = pods[sandbox.pod_uid];
    pod.file = sandbox;
    // Its namespaces did not outlive a boot; the pod is made anew over what is left of it.
    pod.at =
        !sandbox.id.empty() && sandbox.boot_id == boot ? pod_entry::step::ready : pod_entry::step::absent;
    if (!sandbox.host_network && network.whole && !network.whole(sandbox.pod_uid))
      pod.lost = "the sandbox has lost its network";
    else if (pod.at == pod_entry::step::ready && !is_whole(settings, sandbox))
      pod.lost = "the sandbox has lost its namespaces";
    if (pod.at == pod_entry::step::ready) watch_init(sandbox.pod_uid);
  }
  for (auto& one : found.instances)
    adopt_instance(std::move(one));
  // Cut short in its making, and nobody can know of it: whoever wants this pod makes it anew, its volumes
  // too.
  std::vector<std::string> empty;
  for (auto& [uid, pod] : pods)
    if (pod.at == pod_entry::step::absent && pod.containers.empty()) empty.push_back(uid);
  clearing = empty.size();
  for (auto& uid : empty) {
    pods[uid].on_removed.push_back({false, [this](caf::expected<ack>) {
                                      if (--clearing > 0) return;
                                      for (auto& f : std::exchange(when_cleared, {}))
                                        f();
                                    }});
    continue_removal(uid);
  }
}

void oci_runtime::impl::adopt_instance(found_instance one) {
  auto& f = one.file;
  bool same_boot = f.boot_id == boot_id();
  auto c = std::make_shared<instance>();
  c->file = f;
  c->stripped = one.stripped;
  pods[f.key.pod_uid].containers[f.key.name][f.key.attempt] = c;
  by_id[f.id] = c;
  if (f.phase == container_phase::exited) {
    c->at = instance::step::exited;
    strip(c); // the daemon may have ended in the middle of it
  } else if (f.phase == container_phase::created) {
    c->at = one.launched ? instance::step::preparing : instance::step::created;
    if (one.launched) adopt_half_started(c, std::move(one));
  } else if (same_boot && f.conmon_pid > 0) {
    adopt_running(c);
  } else {
    c->at = instance::step::running;
    conmon_gone(c);
  }
}

void oci_runtime::impl::adopt_running(const instance_ptr& c) {
  auto& f = c->file;
  c->at = instance::step::running;
  if (facts_of(f.pid).start_ticks == f.pid_start)
    if (auto fd = open_pidfd(f.pid)) c->pidfd = std::move(*fd);
  c->watch = children.watch_pid(f.conmon_pid, f.conmon_start, [weak = weak_from_this(), c] {
    c->watch = 0;
    if (auto self = weak.lock(); self && !self->stopped) self->conmon_gone(c);
  });
}

/// The earlier daemon had begun to start it.
void oci_runtime::impl::adopt_half_started(const instance_ptr& c, found_instance one) {
  auto self = shared_from_this();
  command ask_state;
  ask_state.process.argv = runtime_command({"state", c->file.id});
  ask_state.timeout = settings.start_timeout;
  children.run(std::move(ask_state), [self, c, one](caf::expected<command_result> result) {
    if (self->stopped) return;
    auto status = result && result->status.shell_code() == 0 ? status_in(result->out) : std::string{};
    self->in_pool(
        [self, one, status]() -> caf::expected<instance_file> {
          return judge_start(self->settings, *self->cgroups, one, status);
        },
        [self, c, one](caf::expected<instance_file> file) {
          if (!file) { // the pool was full
            self->loop.after(std::chrono::milliseconds{100}, [self, c, one] {
              if (!self->stopped) self->adopt_half_started(c, one);
            });
            return;
          }
          if (file->phase == container_phase::created) return self->clear_half_started(c);
          c->file = std::move(*file);
          auto waiting = std::move(c->on_created);
          c->on_created.clear();
          if (c->file.conmon_pid > 0) {
            self->adopt_running(c);
          } else {
            c->at = instance::step::running;
            self->conmon_gone(c);
          }
          for (auto& f : waiting)
            f(container_created{api_container_id(c->file.id)});
          if (!c->on_stripped.empty()) self->send_signal(c, SIGKILL); // a removal came meanwhile
        });
  });
}

/// Nothing of it runs: what there is goes, and the next start makes it again.
void oci_runtime::impl::clear_half_started(const instance_ptr& c) {
  auto self = shared_from_this();
  command remove;
  remove.process.argv = runtime_command({"delete", "--force", c->file.id});
  remove.timeout = settings.start_timeout;
  children.run(std::move(remove), [self, c](caf::expected<command_result>) {
    if (self->stopped) return;
    self->in_pool(
        [self, file = c->file] {
          remove_tree(runtime_state_directory(self->settings) + "/" + file.id);
          unlink_launch_files(self->settings, file);
          return self->cgroups->remove(paths_of(self->settings, file.key, file.id).cgroup);
        },
        [self, c](caf::error) { self->instance_prepared(c, c->file); });
  });
}

} // namespace podium
