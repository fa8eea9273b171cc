// oci_runtime: making and removing sandboxes.
#include "runtime/oci/oci_runtime_impl.hpp"
#include "runtime/oci/small_files.hpp"
#include <algorithm>
#include <csignal>

namespace podium {
namespace {

sandbox_info info_of(const pod_entry& pod) {
  return {pod.file.id, pod.file.ip, wall_time_of(pod.file.created_ns), pod.lost};
}

} // namespace

pod_network_port loopback_network(work_pool& pool) {
  return {[&pool](const create_sandbox&, const std::string& path, auto done) {
            auto failed = std::make_shared<caf::error>();
            pool.submit([failed, path] { *failed = pin_plain_network(path); },
                        [failed, done] {
                          if (*failed) return done(*failed);
                          done(std::string{});
                        });
          },
          [](const std::string&, const std::string&, auto done) { done({}); }};
}

void oci_runtime::ask(const create_sandbox& request, answer<sandbox_info> done) {
  impl_->create(request, std::move(done));
}

void oci_runtime::impl::create(const create_sandbox& request, answer<sandbox_info> done) {
  if (!safe_name(request.pod_uid) || !safe_name(request.pod_name) || !safe_name(request.pod_namespace))
    return done(make_error(errc::invalid, "the pod's uid, name and namespace must be names: '"
                                              + request.pod_uid + "', '" + request.pod_name + "', '"
                                              + request.pod_namespace + "'"));
  auto& pod = pods[request.pod_uid];
  if (pod.at == pod_entry::step::ready) {
    is_lost(pod);
    return done(info_of(pod));
  }
  if (pod.at == pod_entry::step::removing) return make_after_removal(request, std::move(done));
  pod.on_ready.push_back(std::move(done));
  if (pod.at == pod_entry::step::making) return;
  pod.at = pod_entry::step::making;
  pod.lost.clear();
  auto& f = pod.file;
  f = {};
  f.id = random_id();
  f.pod_uid = request.pod_uid;
  f.pod_name = request.pod_name;
  f.pod_namespace = request.pod_namespace;
  f.hostname = request.hostname.empty() ? request.pod_name : request.hostname;
  f.boot_id = boot_id();
  f.host_network = request.host_network;
  f.host_ipc = request.host_ipc;
  f.host_pid = request.host_pid;
  f.shared_pid = request.share_process_namespace;
  f.created_ns = wall_ns();
  f.ports = request.ports;
  auto self = shared_from_this();
  auto named = request;
  named.hostname = f.hostname;
  self->in_pool([self, named] { return make_sandbox_directories(self->settings, named.pod_uid); },
                [self, named](caf::error failed) {
                  if (failed) return self->sandbox_failed(named.pod_uid, std::move(failed));
                  self->make_sandbox_parts(named);
                });
}

/// What an earlier daemon left half made is taken away first: nobody who wants the pod need know of that.
void oci_runtime::impl::make_after_removal(const create_sandbox& request, answer<sandbox_info> done) {
  pods[request.pod_uid].wanted_again.push_back([self = shared_from_this(), request, done](caf::error failed) {
    if (failed) return done(std::move(failed));
    self->create(request, done);
  });
}

/// The network, which takes longest, beside the rest: neither needs the other. Goes on when both are done,
/// also after a failure, since what undoes a sandbox must find nobody at work in it.
void oci_runtime::impl::make_sandbox_parts(const create_sandbox& request) {
  struct parts {
    int under_way = 2;
    caf::error failed;
    caf::expected<std::string> ip = std::string{};
  };
  auto self = shared_from_this();
  auto all = std::make_shared<parts>();
  auto part_done = [self, all, request] {
    if (--all->under_way > 0 || self->stopped) return;
    if (all->failed) return self->sandbox_failed(request.pod_uid, std::move(all->failed));
    self->sandbox_addressed(request, std::move(all->ip));
  };
  if (request.host_network)
    all->under_way = 1;
  else
    network.add(request, paths_of(settings, request.pod_uid).net_ns,
                [all, part_done](caf::expected<std::string> ip) {
                  all->ip = std::move(ip);
                  part_done();
                });
  in_pool([self, request] { return make_sandbox(self->settings, *self->cgroups, request); },
          [all, part_done](caf::error failed) {
            all->failed = std::move(failed);
            part_done();
          });
}

void oci_runtime::impl::sandbox_addressed(const create_sandbox& request, caf::expected<std::string> ip) {
  auto i = pods.find(request.pod_uid);
  if (i == pods.end()) return;
  if (!ip) return sandbox_failed(request.pod_uid, std::move(ip.error()));
  i->second.file.ip = *ip;
  auto self = shared_from_this();
  in_pool([self, request,
           file = i->second.file] { return finish_sandbox(self->settings, *self->cgroups, request, file); },
          [self, uid = request.pod_uid](caf::expected<sandbox_file> file) {
            if (!file) return self->sandbox_failed(uid, std::move(file.error()));
            auto& pod = self->pods[uid];
            pod.file = std::move(*file);
            pod.at = pod_entry::step::ready;
            self->watch_init(uid);
            auto waiting = std::move(pod.on_ready);
            pod.on_ready.clear();
            auto info = info_of(pod);
            bool to_be_removed = !pod.on_removed.empty();
            for (auto& f : waiting)
              f(info);
            if (to_be_removed) self->continue_removal(uid);
          });
}

void oci_runtime::impl::sandbox_failed(const std::string& uid, caf::error why) {
  auto self = shared_from_this();
  auto answer_all = [self, uid, why](caf::error) {
    auto& pod = self->pods[uid];
    pod.at = pod_entry::step::absent;
    auto waiting = std::move(pod.on_ready);
    pod.on_ready.clear();
    bool to_be_removed = !pod.on_removed.empty();
    for (auto& f : waiting)
      f(why);
    if (to_be_removed) self->continue_removal(uid);
  };
  // The network may have been made before something else failed; releasing what is not there does nothing.
  network.remove(uid, paths_of(settings, uid).net_ns, [self, uid, answer_all](caf::error) {
    if (self->stopped) return;
    // What ran before a reboot of the machine keeps its records; the next try finds the pod's volumes.
    bool records = !self->pods[uid].containers.empty();
    self->in_pool(
        [self, uid, records] {
          return records ? release_sandbox(self->settings, *self->cgroups, uid)
                         : discard_sandbox(self->settings, *self->cgroups, uid, "");
        },
        answer_all);
  });
}

void oci_runtime::ask(const remove_sandbox& request, answer<ack> done) {
  auto i = impl_->pods.find(request.pod_uid);
  if (i == impl_->pods.end()) return done(ack{});
  i->second.on_removed.push_back({request.keep_records, std::move(done)});
  // Who wanted it made once it is gone has been overtaken.
  for (auto& made : std::exchange(i->second.wanted_again, {}))
    made(make_error(errc::conflict, "the sandbox of pod " + request.pod_uid + " is being removed"));
  for (auto& [id, ended] : std::exchange(i->second.on_end, {}))
    impl_->loop.post(ended);
  if (i->second.at == pod_entry::step::making || i->second.on_removed.size() > 1) return;
  impl_->continue_removal(request.pod_uid);
}

/// Kills what runs, waits until it is stripped, then takes the sandbox apart.
void oci_runtime::impl::continue_removal(const std::string& uid) {
  auto i = pods.find(uid);
  if (i == pods.end()) return;
  auto& pod = i->second;
  pod.at = pod_entry::step::removing;
  forget_init(pod);
  auto self = shared_from_this();
  for (auto& [name, attempts] : pod.containers)
    for (auto& [number, c] : attempts) {
      if (c->stripped) continue;
      c->on_stripped.push_back([self, uid] { self->continue_removal(uid); });
      if (c->at == instance::step::created) {
        c->at = instance::step::exited; // never started: nobody waits for its end but us
        strip(c);
      } else {
        send_signal(c, SIGKILL);
      }
      return; // one after the other: each strip leads back here
    }
  if (pod.file.host_network) return take_apart(uid);
  network.remove(uid, paths_of(settings, uid).net_ns, [self, uid](caf::error) {
    if (!self->stopped) self->take_apart(uid);
  });
}

/// Everything in it has ended. Keeps the records of the containers that ran when all who asked want that.
void oci_runtime::impl::take_apart(const std::string& uid) {
  auto i = pods.find(uid);
  if (i == pods.end()) return;
  auto& pod = i->second;
  bool keep = std::all_of(pod.on_removed.begin(), pod.on_removed.end(),
                          [](auto& removal) { return removal.keep_records; });
  std::vector<instance_file> never_ran;
  bool any_ran = false;
  for (auto& [name, attempts] : pod.containers)
    for (auto& [number, c] : attempts) {
      if (c->file.phase == container_phase::exited)
        any_ran = true;
      else
        never_ran.push_back(c->file);
    }
  bool pod_goes_on = keep;
  keep = keep && any_ran;
  auto self = shared_from_this();
  auto done = [self, uid, keep](caf::error failed) { self->taken_apart(uid, keep, std::move(failed)); };
  if (!keep) {
    auto& f = pod.file;
    auto logs =
        f.pod_name.empty() ? std::string{} : log_directory(settings, f.pod_namespace, f.pod_name, f.pod_uid);
    return in_pool(
        [self, uid, logs, pod_goes_on] {
          return pod_goes_on ? discard_sandbox(self->settings, *self->cgroups, uid, logs)
                             : destroy_sandbox(self->settings, *self->cgroups, uid, logs);
        },
        done);
  }
  in_pool(
      [self, file = pod.file, never_ran] {
        for (auto& gone : never_ran)
          remove_instance(self->settings, gone, true);
        return retire_sandbox(self->settings, *self->cgroups, file);
      },
      done);
}

void oci_runtime::impl::taken_apart(const std::string& uid, bool kept, caf::error failed) {
  auto i = pods.find(uid);
  if (i == pods.end()) return;
  auto& pod = i->second;
  pod.at = pod_entry::step::absent; // what is left can be removed again
  auto waiting = std::move(pod.on_removed);
  pod.on_removed.clear();
  auto wanted_again = std::exchange(pod.wanted_again, {});
  if (!failed) {
    auto drop = [&](const instance_ptr& c) {
      if (kept && c->file.phase == container_phase::exited) return false;
      by_id.erase(c->file.id);
      return true;
    };
    for (auto& [name, attempts] : pod.containers)
      std::erase_if(attempts, [&](auto& entry) { return drop(entry.second); });
    std::erase_if(pod.containers, [](auto& entry) { return entry.second.empty(); });
    if (!kept) {
      pods.erase(i);
    } else {
      pod.file.id.clear();
      // Who came too late for this round and wants the records gone as well gets another.
      for (auto& removal : waiting)
        if (!removal.keep_records) pod.on_removed.push_back(std::move(removal));
      std::erase_if(waiting, [](auto& removal) { return !removal.keep_records; });
      if (!pod.on_removed.empty()) {
        pod.wanted_again = std::exchange(wanted_again, {});
        continue_removal(uid);
      }
    }
  }
  for (auto& removal : waiting)
    failed ? removal.done(failed) : removal.done(ack{});
  for (auto& made : wanted_again)
    made(failed);
}

} // namespace podium
