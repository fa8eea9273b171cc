// What others may know of a sandbox while it is there: where its network is, whether it is still of use, and
// when it goes.
#include "core/error.hpp"
#include "runtime/oci/oci_runtime_impl.hpp"
#include "runtime/process/process_tree.hpp"
#include <poll.h>

namespace podium {
namespace {

constexpr auto init_ended = "the first process of the pod's process namespace has ended";

} // namespace

caf::expected<std::string> oci_runtime::network_namespace(const std::string& pod_uid) const {
  auto pod = impl_->pods.find(pod_uid);
  if (pod == impl_->pods.end() || pod->second.at != pod_entry::step::ready)
    return make_error(errc::not_found, "the sandbox of pod " + pod_uid + " is not running");
  if (pod->second.file.host_network) return std::string{};
  return paths_of(impl_->settings, pod_uid).net_ns;
}

uint64_t oci_runtime::when_sandbox_ends(const std::string& pod_uid, std::function<void()> ended) {
  auto pod = impl_->pods.find(pod_uid);
  if (pod == impl_->pods.end() || pod->second.at != pod_entry::step::ready) {
    impl_->loop.post(std::move(ended));
    return 0;
  }
  pod->second.on_end.emplace(++impl_->last_end, std::move(ended));
  return impl_->last_end;
}

void oci_runtime::forget_sandbox_end(const std::string& pod_uid, uint64_t id) {
  if (auto pod = impl_->pods.find(pod_uid); pod != impl_->pods.end()) pod->second.on_end.erase(id);
}

void oci_runtime::ask(const wait_sandbox& request, answer<sandbox_end> done) {
  auto i = impl_->pods.find(request.pod_uid);
  if (i == impl_->pods.end() || i->second.at != pod_entry::step::ready || i->second.file.id != request.id)
    return done(make_error(errc::not_found, "pod " + request.pod_uid + " has no such sandbox"));
  auto& pod = i->second;
  if (impl_->is_lost(pod)) return done(sandbox_end{pod.file.id, pod.lost});
  // Who asks again gave up on its earlier question: a long life must not gather them.
  if (pod.on_lost.size() >= 4) pod.on_lost.erase(pod.on_lost.begin());
  pod.on_lost.push_back(std::move(done));
}

void oci_runtime::impl::watch_init(const std::string& pod_uid) {
  auto& pod = pods[pod_uid];
  auto& f = pod.file;
  if (f.init_pid <= 0 || pod.init_watch != 0) return;
  if (facts_of(f.init_pid).start_ticks == f.init_start)
    if (auto fd = open_pidfd(f.init_pid)) pod.init_pidfd = std::move(*fd);
  if (!pod.init_pidfd) return lose(pod, init_ended);
  pod.init_watch =
      children.watch_pid(f.init_pid, f.init_start, [weak = weak_from_this(), pod_uid, id = f.id] {
        auto self = weak.lock();
        if (!self || self->stopped) return;
        auto i = self->pods.find(pod_uid);
        if (i == self->pods.end() || i->second.file.id != id) return;
        i->second.init_watch = 0;
        self->lose(i->second, init_ended);
      });
}

bool oci_runtime::impl::is_lost(pod_entry& pod) {
  if (!pod.init_pidfd || !pod.lost.empty()) return !pod.lost.empty();
  pollfd ended{pod.init_pidfd.get(), POLLIN, 0};
  // The pidfd tells of the end when all others of the namespace are gone. Their exits come before, and
  // whoever is started again then finds that nothing can fork in there.
  if (::poll(&ended, 1, 0) == 1 || facts_of(pod.file.init_pid).exiting) lose(pod, init_ended);
  return !pod.lost.empty();
}

void oci_runtime::impl::lose(pod_entry& pod, std::string why) {
  if (pod.at != pod_entry::step::ready || !pod.lost.empty()) return;
  pod.lost = std::move(why);
  for (auto& done : std::exchange(pod.on_lost, {}))
    done(sandbox_end{pod.file.id, pod.lost});
}

void oci_runtime::impl::forget_init(pod_entry& pod) {
  if (pod.init_watch != 0) children.unwatch(std::exchange(pod.init_watch, 0));
  pod.init_pidfd.reset();
  for (auto& done : std::exchange(pod.on_lost, {}))
    done(make_error(errc::not_found, "the sandbox of pod " + pod.file.pod_uid + " is being removed"));
}

} // namespace podium
