#include "runtime/oci/oci_runtime.hpp"

#include "runtime/oci/log_rotation.hpp"
#include "runtime/oci/oci_runtime_impl.hpp"
#include "runtime/oci/pod_init.hpp"
#include "runtime/oci/small_files.hpp"
#include "runtime/process/process_tree.hpp"
#include "runtime/process/spawn.hpp"
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/inotify.h>
#include <sys/stat.h>

namespace podium {

namespace fs = std::filesystem;

using namespace std::chrono_literals;

wall_time wall_time_of(int64_t ns) {
  return wall_time{nanoseconds{ns}};
}

int64_t wall_ns() {
  return nanoseconds{std::chrono::system_clock::now().time_since_epoch()}.count();
}

std::string api_container_id(const std::string& id) {
  return "podium://" + id;
}

container_exit exit_of(const instance_file& file) {
  return {file.key,
          file.exit_code,
          file.reason,
          file.message,
          wall_time_of(file.started_ns),
          wall_time_of(file.finished_ns)};
}

oci_runtime::oci_runtime(event_loop& loop, work_pool& pool, launcher& children, oci_settings settings,
                         find_image images, pod_network_port network)
    : impl_(std::make_shared<impl>(loop, pool, children, std::move(settings), std::move(images),
                                   std::move(network))) {}

oci_runtime::~oci_runtime() {
  impl_->loop.run([this] {
    impl_->stopped = true;
    impl_->inotify_watch.reset();
    impl_->directories.reset();
    if (impl_->rotation_timer != 0) impl_->loop.cancel(impl_->rotation_timer);
    for (auto& [id, c] : impl_->by_id) {
      if (c->watch != 0) impl_->children.unwatch(c->watch);
      if (c->exit_timer != 0) impl_->loop.cancel(c->exit_timer);
    }
    impl_->to_launch.clear();
    impl_->when_cleared.clear();
    for (auto& [uid, pod] : impl_->pods)
      if (pod.init_watch != 0) impl_->children.unwatch(pod.init_watch);
    impl_->by_id.clear();
    impl_->pods.clear();
  });
}

const oci_settings& oci_runtime::settings() const {
  return impl_->settings;
}
const oci_runtime_program& oci_runtime::program() const {
  return impl_->program;
}
launcher& oci_runtime::children() {
  return impl_->children;
}
directory_watch& oci_runtime::directories() {
  return *impl_->directories;
}
event_loop& oci_runtime::loop() {
  return impl_->loop;
}
work_pool& oci_runtime::pool() {
  return impl_->pool;
}
std::vector<pid_t> oci_runtime::processes(const std::string& cgroup) const {
  return impl_->cgroups->processes(cgroup);
}

void oci_runtime::start(std::function<void(caf::error)> done) {
  struct outcome {
    caf::error failed;
    found_records found;
    std::shared_ptr<const host_facts> host;
    std::shared_ptr<const cgroup_tree> cgroups;
    oci_runtime_program program;
    outcome() = default;
    outcome(caf::error e) : failed(std::move(e)) {}
  };
  auto self = impl_;
  impl_->in_pool(
      [self] {
        outcome o;
        auto cgroups = cgroup_tree::detect();
        if (!cgroups) return outcome{cgroups.error()};
        o.cgroups = std::make_shared<const cgroup_tree>(std::move(*cgroups));
        self->cgroups = o.cgroups; // nobody else reads it before the answer
        if (auto failed = self->choose_program()) return outcome{failed};
        auto host = read_host_facts();
        host.slave_mounts = self->program.create_path != self->program.path;
        o.host = std::make_shared<const host_facts>(std::move(host));
        std::error_code ec;
        for (auto& directory : {self->settings.root + "/pods", self->settings.run_root + "/sandboxes",
                                exit_directory(self->settings), runtime_state_directory(self->settings),
                                self->settings.log_root}) {
          fs::create_directories(directory, ec);
          if (ec) return outcome{errno_error("cannot make " + directory, ec.value())};
        }
        ::chmod(self->settings.run_root.c_str(), 0711);
        o.found = scan_records(self->settings);
        return o;
      },
      [self, done](outcome o) {
        if (o.failed) return done(o.failed);
        self->host = o.host;
        self->watch_exits(); // before the records are looked at: no exit falls between
        self->adopt(std::move(o.found));
        self->rotate_logs();
        done({});
      });
}

caf::error oci_runtime::impl::choose_program() {
  auto runs = [](const std::string& path) { return !path.empty() && ::access(path.c_str(), X_OK) == 0; };
  if (!runs(settings.conmon))
    return make_error(errc::unavailable, settings.conmon + " is missing: install the package conmon");
  bool hybrid = cgroups->kind() == cgroup_tree::layout::hybrid;
  if (settings.hybrid_helper.empty()) settings.hybrid_helper = find_helper("podium-hybrid-cgroup");
  if (runs(settings.crun) && (!hybrid || runs(settings.hybrid_helper))) {
    program = {settings.crun, hybrid ? settings.hybrid_helper : settings.crun, "crun"};
    return {};
  }
  if (runs(settings.runc)) {
    program = {settings.runc, settings.runc, "runc"};
    return {};
  }
  if (runs(settings.crun))
    return make_error(errc::unavailable,
                      "crun needs podium-hybrid-cgroup on this host's hybrid cgroup hierarchy, and that is "
                      "neither beside this program nor in its PATH");
  return make_error(errc::unavailable, "neither " + settings.crun + " nor " + settings.runc
                                           + " is there: install the package crun");
}

std::vector<std::string> oci_runtime::impl::runtime_command(std::vector<std::string> arguments) const {
  std::vector<std::string> argv{program.path, "--root", runtime_state_directory(settings)};
  argv.insert(argv.end(), std::make_move_iterator(arguments.begin()),
              std::make_move_iterator(arguments.end()));
  return argv;
}

void oci_runtime::impl::watch_exits() {
  inotify.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return; // conmon's own end still tells
  ::inotify_add_watch(inotify.get(), exit_directory(settings).c_str(), IN_MOVED_TO | IN_CLOSE_WRITE);
  inotify_watch = std::make_unique<fd_watch>(loop, inotify.get(), [this] { exits_changed(); });
}

void oci_runtime::impl::exits_changed() {
  alignas(inotify_event) char buffer[16 * 1024];
  for (;;) {
    auto n = ::read(inotify.get(), buffer, sizeof buffer);
    if (n <= 0) return;
    for (ssize_t at = 0; at < n;) {
      auto* event = reinterpret_cast<inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      std::string name = event->len > 0 ? event->name : "";
      if (auto i = by_id.find(name); i != by_id.end()) exit_file_seen(i->second);
    }
  }
}

/// Kubernetes looks at log sizes every ten seconds as well (containerLogMonitorInterval).
void oci_runtime::impl::rotate_logs() {
  auto self = shared_from_this();
  rotation_timer = loop.after(10s, [self] {
    std::vector<std::pair<std::string, std::string>> logs; // log, control fifo
    for (auto& [id, c] : self->by_id)
      if (c->at == instance::step::running)
        logs.emplace_back(c->file.log_path, paths_of(self->settings, c->file.key, id).directory + "/ctl");
    auto max_bytes = self->settings.log_max_bytes;
    auto max_files = self->settings.log_max_files;
    self->pool.submit(
        [logs, max_bytes, max_files] {
          for (auto& [log, control] : logs)
            rotate_log(log, control, max_bytes, max_files);
        },
        [self] {
          if (!self->stopped) self->rotate_logs();
        });
  });
}

void oci_runtime::ask(const list_runtime& request, answer<runtime_records> done) {
  // Who asks is about to make the pods again: not while what is left of them goes.
  if (impl_->clearing > 0)
    return impl_->when_cleared.push_back([this, request, done] { ask(request, done); });
  runtime_records records;
  for (auto& [uid, pod] : impl_->pods) {
    if (!request.pod_uid.empty() && request.pod_uid != uid) continue;
    if (pod.at == pod_entry::step::ready)
      records.sandboxes.push_back({uid,
                                   pod.file.pod_name,
                                   pod.file.pod_namespace,
                                   {pod.file.id, pod.file.ip, wall_time_of(pod.file.created_ns), pod.lost}});
    for (auto& [name, attempts] : pod.containers)
      for (auto& [number, c] : attempts) {
        if (c->file.id.empty()) continue;
        auto& f = c->file;
        container_record record{f.key,
                                api_container_id(f.id),
                                f.image,
                                f.image_id,
                                container_phase::created,
                                wall_time_of(f.created_ns),
                                wall_time_of(f.started_ns),
                                {}};
        if (c->at == instance::step::running) record.phase = container_phase::running;
        if (c->at == instance::step::exited) {
          record.phase = container_phase::exited;
          record.exit = exit_of(f);
        }
        records.containers.push_back(std::move(record));
      }
  }
  done(std::move(records));
}

std::set<std::string> oci_runtime::images_in_use() const {
  std::set<std::string> ids;
  for (auto& [uid, pod] : impl_->pods)
    for (auto& [name, attempts] : pod.containers)
      for (auto& [number, c] : attempts)
        if (auto image = impl_->images(c->file.image_id)) ids.insert((*image)->id);
  return ids;
}

caf::expected<running_container> oci_runtime::find(const std::string& pod_uid, const std::string& name,
                                                   const std::string& container_id) const {
  auto missing = [&] {
    auto which = container_id.empty() ? "" : " with the id " + container_id;
    return make_error(errc::not_found, "container \"" + name + "\"" + which + " not found");
  };
  auto pod = impl_->pods.find(pod_uid);
  if (pod == impl_->pods.end()) return missing();
  auto attempts = pod->second.containers.find(name);
  if (attempts == pod->second.containers.end() || attempts->second.empty()) return missing();
  auto i = container_id.empty()
               ? std::prev(attempts->second.end())
               : std::find_if(attempts->second.begin(), attempts->second.end(),
                              [&](auto& a) { return api_container_id(a.second->file.id) == container_id; });
  if (i == attempts->second.end() || i->second->file.id.empty()) return missing();
  auto& c = *i->second;
  auto paths = paths_of(impl_->settings, c.file.key, c.file.id);
  running_container found{c.file.key,      c.file.id,     paths.directory,
                          c.file.log_path, paths.cgroup,  container_phase::created,
                          c.file.tty,      c.file.stdin_, c.file.stdin_once};
  if (c.at == instance::step::running) found.phase = container_phase::running;
  if (c.at == instance::step::exited) found.phase = container_phase::exited;
  return found;
}

uint64_t oci_runtime::when_ended(const container_key& key, std::function<void()> ended) {
  auto c = impl_->find_instance(key);
  if (!c || c->at == instance::step::exited) {
    impl_->loop.after(0ns, std::move(ended));
    return 0;
  }
  auto id = ++impl_->last_end;
  c->on_end.emplace(id, std::move(ended));
  return id;
}

void oci_runtime::forget_end(const container_key& key, uint64_t id) {
  if (auto c = impl_->find_instance(key)) c->on_end.erase(id);
}

size_t oci_runtime::awaiting_end(const container_key& key) const {
  auto c = impl_->find_instance(key);
  return c ? c->on_end.size() : 0;
}

} // namespace podium
