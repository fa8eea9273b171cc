// oci_runtime: making and starting containers.
#include "runtime/oci/exec_command.hpp"
#include "runtime/oci/exec_fifo.hpp"
#include "runtime/oci/oci_runtime_impl.hpp"
#include "runtime/process/process_tree.hpp"
#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <thread>

namespace podium {

instance_ptr oci_runtime::impl::find_instance(const container_key& key) const {
  auto pod = pods.find(key.pod_uid);
  if (pod == pods.end()) return nullptr;
  auto attempts = pod->second.containers.find(key.name);
  if (attempts == pod->second.containers.end()) return nullptr;
  auto i = attempts->second.find(key.attempt);
  return i == attempts->second.end() ? nullptr : i->second;
}

caf::error oci_runtime::impl::fence(const container_key& key) const {
  auto pod = pods.find(key.pod_uid);
  if (pod == pods.end()) return {};
  auto attempts = pod->second.containers.find(key.name);
  if (attempts == pod->second.containers.end() || attempts->second.empty()) return {};
  auto newest = attempts->second.rbegin()->first;
  if (key.attempt >= newest) return {};
  return make_error(errc::stale, "attempt " + std::to_string(key.attempt) + " of container " + key.name
                                     + " has been replaced by attempt " + std::to_string(newest));
}

/// Source: the kubelet's words for a target that it has nothing of, and containerd's for one that has ended.
caf::expected<std::shared_ptr<const target_process>>
oci_runtime::impl::target_of(const create_container& request, const pod_entry& pod) const {
  auto& name = request.spec.target_container_name;
  // Where the pod's containers see each other's processes anyway, there is nothing to join.
  if (name.empty() || pod.file.shared_pid || pod.file.host_pid)
    return std::shared_ptr<const target_process>{};
  auto attempts = pod.containers.find(name);
  if (attempts == pod.containers.end() || attempts->second.empty())
    return make_error(errc::container_config, "unable to find target container " + name);
  auto& newest = *attempts->second.rbegin()->second;
  auto target = std::make_shared<target_process>();
  target->name = name;
  target->pid = newest.file.pid;
  if (newest.at == instance::step::running && newest.pidfd)
    target->pidfd.reset(::fcntl(newest.pidfd.get(), F_DUPFD_CLOEXEC, 0));
  if (!target->pidfd)
    return make_error(errc::container_create,
                      "invalid target container: container \"" + name + "\" is not running");
  return std::shared_ptr<const target_process>{std::move(target)};
}

void oci_runtime::ask(const create_container& request, answer<container_created> done) {
  auto& key = request.key;
  if (!safe_name(key.pod_uid) || !safe_name(key.name))
    return done(make_error(errc::invalid, "not a container's name: '" + key.name + "'"));
  auto i = impl_->pods.find(key.pod_uid);
  if (i == impl_->pods.end() || i->second.at != pod_entry::step::ready)
    return done(make_error(errc::not_found, "pod " + key.pod_uid + " has no sandbox"));
  if (auto stale = impl_->fence(key)) return done(stale);
  if (auto c = impl_->find_instance(key)) {
    if (c->at == instance::step::preparing)
      c->on_created.push_back(std::move(done));
    else
      done(container_created{api_container_id(c->file.id)});
    return;
  }
  // No refusal, which would be the container's fault: its pod is about to be made anew.
  if (impl_->is_lost(i->second)) return done(make_error(errc::unavailable, i->second.lost));
  auto& attempts = i->second.containers[key.name];
  if (!attempts.empty() && attempts.rbegin()->second->at != instance::step::exited)
    return done(make_error(errc::conflict, "attempt " + std::to_string(attempts.rbegin()->first)
                                               + " of container " + key.name + " has not ended"));
  auto image = impl_->images(request.image_id);
  if (!image) return done(image.error());
  auto target = impl_->target_of(request, i->second);
  if (!target) return done(target.error());
  auto c = std::make_shared<instance>();
  c->file.key = key;
  c->file.image_id = request.image_id; // in use from now on
  c->on_created.push_back(std::move(done));
  attempts[key.attempt] = c;
  auto self = impl_;
  self->in_pool(
      [self, request, sandbox = i->second.file, image = *image, target = *target] {
        auto file = prepare_instance(self->settings, *self->host, request, sandbox, *image, target.get());
        if (!file) {
          instance_file half;
          half.key = request.key;
          remove_instance(self->settings, half, false);
        }
        return file;
      },
      [self, c](caf::expected<instance_file> file) { self->instance_prepared(c, std::move(file)); });
}

void oci_runtime::impl::instance_prepared(const instance_ptr& c, caf::expected<instance_file> file) {
  auto waiting = std::move(c->on_created);
  c->on_created.clear();
  if (!file) {
    c->stripped = true;
    c->at = instance::step::exited;
    if (auto pod = pods.find(c->file.key.pod_uid); pod != pods.end()) {
      auto& attempts = pod->second.containers[c->file.key.name];
      attempts.erase(c->file.key.attempt);
      if (attempts.empty()) pod->second.containers.erase(c->file.key.name);
    }
    for (auto& f : waiting)
      f(file.error());
  } else {
    c->file = std::move(*file);
    c->at = instance::step::created;
    by_id[c->file.id] = c;
    if (auto pod = pods.find(c->file.key.pod_uid); pod != pods.end()) drop_old(pod->second, c->file.key);
    for (auto& f : waiting)
      f(container_created{api_container_id(c->file.id)});
  }
  // A removal that came meanwhile killed nothing yet.
  if (c->on_stripped.empty()) return;
  c->at = instance::step::exited;
  if (!c->stripped) return strip(c);
  auto removals = std::move(c->on_stripped);
  c->on_stripped.clear();
  for (auto& f : removals)
    f();
}

/// Keeps the newest instance and the one before it, as kubectl logs --previous needs them.
void oci_runtime::impl::drop_old(pod_entry& pod, const container_key& newest) {
  auto& attempts = pod.containers[newest.name];
  while (attempts.size() > 2 && attempts.begin()->second->at == instance::step::exited) {
    auto old = attempts.begin()->second;
    attempts.erase(attempts.begin());
    auto self = shared_from_this();
    auto remove = [self, old] {
      self->by_id.erase(old->file.id);
      self->pool.submit([self, file = old->file] { remove_instance(self->settings, file, true); }, {});
    };
    if (old->stripped)
      remove();
    else
      old->on_stripped.push_back(remove);
  }
}

void oci_runtime::ask(const start_container& request, answer<container_started> done) {
  if (auto stale = impl_->fence(request.key)) return done(stale);
  auto c = impl_->find_instance(request.key);
  if (!c)
    return done(make_error(errc::not_found, "container " + request.key.name + " attempt "
                                                + std::to_string(request.key.attempt) + " was not created"));
  switch (c->at) {
  case instance::step::running:
    return done(container_started{wall_time_of(c->file.started_ns)});
  case instance::step::exited:
    if (c->file.started_ns > 0) return done(container_started{wall_time_of(c->file.started_ns)});
    return done(make_error(errc::container_start,
                           c->file.message.empty() ? "the container has ended" : c->file.message));
  case instance::step::starting:
    c->on_started.push_back(std::move(done));
    return;
  case instance::step::preparing: {
    auto self = impl_;
    c->on_created.push_back([self, request, done](caf::expected<container_created> created) {
      if (!created) return done(created.error());
      // Other answers of the same round may come first; a turn of the loop puts this one after them.
      self->loop.after(nanoseconds{0}, [self, request, done] {
        if (self->stopped) return;
        if (auto c2 = self->find_instance(request.key); c2 && c2->at == instance::step::created) {
          c2->on_started.push_back(done);
          self->launch(c2);
        } else if (c2 && c2->at == instance::step::running) { // taken over from an earlier daemon
          done(container_started{wall_time_of(c2->file.started_ns)});
        } else {
          done(make_error(errc::conflict, "the container could not be started: it has changed meanwhile"));
        }
      });
    });
    return;
  }
  case instance::step::created:
    c->on_started.push_back(std::move(done));
    impl_->launch(c);
  }
}

void oci_runtime::impl::launch(const instance_ptr& c) {
  if (c->at != instance::step::created) return;
  c->at = instance::step::starting;
  to_launch.push_back(c);
  launch_next();
}

/// A turn ends when the container is made, or when it has taken too long.
void oci_runtime::impl::launch_next() {
  auto most = settings.parallel_starts != 0 ? settings.parallel_starts
                                            : 4 * std::max(1u, std::thread::hardware_concurrency());
  while (launching < most && !to_launch.empty()) {
    auto c = std::move(to_launch.front());
    to_launch.pop_front();
    ++launching;
    auto self = shared_from_this();
    auto timer = std::make_shared<uint64_t>(0);
    auto end_turn = [self, timer](bool timed_out) {
      if (self->stopped || *timer == 0) return;
      if (!timed_out) self->loop.cancel(*timer);
      *timer = 0;
      --self->launching;
      self->launch_next();
    };
    *timer = loop.after(settings.start_turn, [end_turn] { end_turn(true); });
    start_conmon(
        children, settings, program, c->file,
        [self, c, end_turn](conmon_started started) {
          if (self->stopped) return;
          self->conmon_answered(c, std::move(started));
          end_turn(false);
        },
        [self, c] {
          if (!self->stopped) self->conmon_gone(c);
        });
  }
}

void oci_runtime::impl::conmon_answered(const instance_ptr& c, conmon_started started) {
  if (!started.report) return start_failed(c, message_of(started.report.error()));
  if (started.report->pid <= 0) return start_failed(c, started.report->message);
  auto& f = c->file;
  f.conmon_pid = started.conmon;
  f.conmon_start = facts_of(f.conmon_pid).start_ticks;
  f.pid = started.report->pid;
  f.pid_start = facts_of(f.pid).start_ticks;
  // The runtime's init waits for `start`; conmon, which lives, has not reaped it: the number is right.
  if (auto fd = open_pidfd(f.pid)) c->pidfd = std::move(*fd);
  start_created(c);
}

/// crun's containers are let go without another process; whatever is in the way of that, the runtime is
/// asked.
void oci_runtime::impl::start_created(const instance_ptr& c) {
  auto self = shared_from_this();
  auto ask_runtime = [self, c] {
    command start;
    start.process.argv = self->runtime_command({"start", c->file.id});
    start.timeout = self->settings.start_timeout;
    start.output_limit_bytes = 4096;
    self->children.run(std::move(start), [self, c](caf::expected<command_result> result) {
      if (!self->stopped) self->runtime_started(c, std::move(result));
    });
  };
  if (program.name != "crun") return ask_runtime();
  in_pool(
      [self, file = c->file]() mutable -> caf::expected<instance_file> {
        if (!release_init(runtime_state_directory(self->settings) + "/" + file.id))
          return make_error(errc::unavailable, "the runtime must start it");
        file.started_ns = wall_ns();
        file.phase = container_phase::running;
        save_instance(self->settings, file); // as in runtime_started()
        return file;
      },
      [self, c, ask_runtime](caf::expected<instance_file> file) {
        if (!file) return ask_runtime();
        c->file = std::move(*file);
        self->runs(c);
      });
}

void oci_runtime::impl::runtime_started(const instance_ptr& c, caf::expected<command_result> result) {
  if (!result) return start_failed(c, message_of(result.error()));
  if (result->status.shell_code() != 0) {
    auto why = result->timed_out ? "the container runtime did not start the container in time" : result->err;
    while (!why.empty() && why.back() == '\n')
      why.pop_back();
    return start_failed(c, why);
  }
  c->file.started_ns = wall_ns();
  c->file.phase = container_phase::running;
  auto self = shared_from_this();
  // A full disk must not stop what runs; the record of its end will be tried again.
  in_pool([self, file = c->file] { return save_instance(self->settings, file); },
          [self, c](caf::error) { self->runs(c); });
}

void oci_runtime::impl::runs(const instance_ptr& c) {
  c->at = instance::step::running;
  auto waiting = std::move(c->on_started);
  c->on_started.clear();
  for (auto& f : waiting)
    f(container_started{wall_time_of(c->file.started_ns)});
  if (c->pending_signal != 0) send_signal(c, std::exchange(c->pending_signal, 0));
  if (c->conmon_ended || c->exit_seen) finish(c);
}

/// As Kubernetes shows a container that never ran: exit code 128, reason StartError, no start time.
void oci_runtime::impl::start_failed(const instance_ptr& c, const std::string& why) {
  if (c->at != instance::step::starting) return;
  auto& f = c->file;
  f.phase = container_phase::exited;
  f.exit_code = 128;
  f.reason = "StartError";
  f.message = plain_runtime_error(why.substr(0, 4096));
  f.started_ns = 0;
  f.finished_ns = wall_ns();
  auto self = shared_from_this();
  in_pool([self, file = f] { return save_instance(self->settings, file); },
          [self, c](caf::error) {
            auto waiting = std::move(c->on_started);
            c->on_started.clear();
            for (auto& done : waiting)
              done(make_error(errc::container_start, c->file.message));
            self->finished(c, c->file);
          });
}

} // namespace podium
