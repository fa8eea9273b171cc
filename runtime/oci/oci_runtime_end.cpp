// oci_runtime: signals, exits, and what is left of a container afterwards.
#include "runtime/oci/oci_runtime_impl.hpp"
#include "runtime/oci/small_files.hpp"
#include "runtime/process/process_tree.hpp"
#include <algorithm>
#include <charconv>
#include <csignal>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace podium {

using namespace std::chrono_literals;

namespace {

/// conmon ends right after it has written the exit file, with the log complete; this is how long it is waited
/// for.
constexpr auto conmon_grace = 500ms;
/// For a main process that was sent SIGKILL.
constexpr int death_wait_ms = 10'000;

int send(const unique_fd& pidfd, int number) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0));
}

/// The exit code that conmon wrote, and when.
bool read_exit_file(const std::string& path, instance_file& file) {
  struct stat facts {};
  auto text = read_small_file(path, 32);
  int code = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), code);
  if (ec != std::errc{} || ::stat(path.c_str(), &facts) != 0) return false;
  file.exit_code = code;
  // File times come from the kernel's tick, a few milliseconds coarse: never before the start.
  file.finished_ns =
      std::max<int64_t>(facts.st_mtim.tv_sec * 1'000'000'000LL + facts.st_mtim.tv_nsec, file.started_ns);
  return true;
}

} // namespace

void oci_runtime::ask(const wait_container& request, answer<container_exit> done) {
  auto c = impl_->find_instance(request.key);
  if (!c)
    return done(make_error(errc::not_found, "container " + request.key.name + " attempt "
                                                + std::to_string(request.key.attempt) + " is unknown"));
  if (c->at == instance::step::exited) return done(exit_of(c->file));
  // Who asks again gave up on its earlier question: a long life must not gather them.
  if (c->on_exit.size() >= 4) c->on_exit.erase(c->on_exit.begin());
  c->on_exit.push_back(std::move(done));
}

void oci_runtime::ask(const signal_container& request, answer<ack> done) {
  if (auto c = impl_->find_instance(request.key))
    impl_->send_signal(c, request.signal == 0 ? c->file.stop_signal : request.signal);
  done(ack{});
}

void oci_runtime::impl::send_signal(const instance_ptr& c, int number) {
  if (c->at == instance::step::starting && c->pending_signal != SIGKILL) c->pending_signal = number;
  if (c->at == instance::step::running && c->pidfd) send(c->pidfd, number);
}

void oci_runtime::ask(const remove_container& request, answer<ack> done) {
  auto c = impl_->find_instance(request.key);
  if (!c) return done(ack{});
  if (c->at == instance::step::created) {
    c->at = instance::step::exited;
    impl_->strip(c);
  }
  if (c->at != instance::step::exited)
    return done(make_error(errc::conflict, "container " + request.key.name + " has not ended"));
  auto self = impl_;
  auto remove = [self, c, request, done] {
    bool never_ran = c->file.phase == container_phase::created;
    if (request.keep_log && !never_ran) return done(ack{});
    self->by_id.erase(c->file.id);
    if (auto pod = self->pods.find(request.key.pod_uid); pod != self->pods.end()) {
      auto& attempts = pod->second.containers[request.key.name];
      attempts.erase(request.key.attempt);
      if (attempts.empty()) pod->second.containers.erase(request.key.name);
    }
    self->in_pool(
        [self, file = c->file, with_log = !request.keep_log] {
          remove_instance(self->settings, file, with_log);
          return caf::error{};
        },
        [done](caf::error) { done(ack{}); });
  };
  if (c->stripped)
    remove();
  else
    c->on_stripped.push_back(remove);
}

void oci_runtime::impl::conmon_gone(const instance_ptr& c) {
  c->conmon_ended = true;
  if (c->at == instance::step::running) finish(c);
}

void oci_runtime::impl::exit_file_seen(const instance_ptr& c) {
  // News of a run before this one, which an earlier daemon began.
  if (c->at == instance::step::preparing || c->at == instance::step::created
      || ::access((exit_directory(settings) + "/" + c->file.id).c_str(), F_OK) != 0)
    return;
  c->exit_seen = true;
  if (c->at != instance::step::running || c->exit_timer != 0) return;
  c->exit_timer = loop.after(conmon_grace, [self = shared_from_this(), c] {
    c->exit_timer = 0;
    if (!self->stopped) self->finish(c);
  });
}

/// Finds out how a container ended; makes sure that it has, when conmon went without a word.
void oci_runtime::impl::finish(const instance_ptr& c) {
  if (c->finishing || c->at != instance::step::running) return;
  c->finishing = true;
  auto self = shared_from_this();
  in_pool(
      [self, c]() -> caf::expected<instance_file> {
        auto file = c->file; // nobody changes it while `finishing`
        auto paths = paths_of(self->settings, file.key, file.id);
        if (!read_exit_file(exit_directory(self->settings) + "/" + file.id, file)) {
          if (c->pidfd) {
            send(c->pidfd, SIGKILL);
            pollfd ended{c->pidfd.get(), POLLIN, 0};
            ::poll(&ended, 1, death_wait_ms);
          }
          self->cgroups->kill_all(paths.cgroup);
          file.exit_code = 137;
          file.reason = "ContainerStatusUnknown";
          file.message = "The container could not be located when the pod was terminated";
          file.finished_ns = wall_ns();
        } else {
          // Evidence alone is not enough: a child of a main process that lived on may have been the victim.
          bool oom = file.exit_code == 137 && self->cgroups->oom_kills(paths.cgroup) > 0;
          file.reason = oom ? "OOMKilled" : file.exit_code == 0 ? "Completed" : "Error";
          file.message = termination_message(self->settings, file);
        }
        file.phase = container_phase::exited;
        save_instance(self->settings, file);
        return file;
      },
      [self, c](caf::expected<instance_file> file) {
        if (file) return self->finished(c, std::move(*file));
        c->finishing = false; // the pool was full
        self->loop.after(100ms, [self, c] {
          if (!self->stopped) self->finish(c);
        });
      });
}

void oci_runtime::impl::finished(const instance_ptr& c, instance_file file) {
  c->file = std::move(file);
  c->at = instance::step::exited;
  c->pidfd.reset();
  if (c->exit_timer != 0) loop.cancel(std::exchange(c->exit_timer, 0));
  if (c->watch != 0) children.unwatch(std::exchange(c->watch, 0));
  auto waiting = std::move(c->on_exit);
  c->on_exit.clear();
  auto ended = std::move(c->on_end);
  c->on_end.clear();
  for (auto& f : waiting)
    f(exit_of(c->file));
  for (auto& [id, f] : ended)
    f();
  strip(c);
}

/// Off the critical path: the runtime's state, the cgroup, mounts and the writable layer go.
void oci_runtime::impl::strip(const instance_ptr& c) {
  if (c->stripped) return;
  auto self = shared_from_this();
  auto done = [self, c](caf::error) {
    c->stripped = true;
    auto waiting = std::move(c->on_stripped);
    c->on_stripped.clear();
    for (auto& f : waiting)
      f();
  };
  auto remove_rest = [self, c, done] {
    self->in_pool(
        [self, file = c->file] {
          auto failed = self->cgroups->remove(paths_of(self->settings, file.key, file.id).cgroup);
          strip_instance(self->settings, file);
          return failed;
        },
        done);
  };
  if (c->file.id.empty() || c->file.phase == container_phase::created) return remove_rest();
  command remove;
  remove.process.argv = runtime_command({"delete", "--force", c->file.id});
  remove.timeout = settings.start_timeout;
  children.run(std::move(remove), [self, remove_rest](caf::expected<command_result>) {
    if (!self->stopped) remove_rest();
  });
}

} // namespace podium
