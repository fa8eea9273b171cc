// What others may know of a sandbox while it is there: where its network is, and when it goes.
#include "runtime/oci/oci_runtime_impl.hpp"

namespace podium {

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

} // namespace podium
