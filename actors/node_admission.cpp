// Which pods the node lets in, and which wait at the door.
#include "actors/admission.hpp"
#include "actors/node.hpp"
#include "actors/placement.hpp"
#include "actors/pod_rules.hpp"
#include "actors/sysctl_rules.hpp"
#include "core/saturating.hpp"
#include "messages/storage.hpp"

#include <algorithm>
#include <limits>

namespace podium {
namespace {

constexpr std::chrono::seconds claim_retry{1};

bool uses_claim(const pod& p, const std::string& name) {
  return std::any_of(p.spec.volumes.begin(), p.spec.volumes.end(), [&](auto& v) {
    return v.persistent_volume_claim && v.persistent_volume_claim->claim_name == name;
  });
}

bool for_one_pod(const object& claim) {
  auto& modes = claim.as_persistent_volume_claim().spec.access_modes;
  return modes == std::vector<std::string>{"ReadWriteOncePod"};
}

} // namespace

/// What the scheduler counts, too: who is gone from the API and still ends here takes nothing any more.
/// Source: the kubelet's canAdmitPod, which asks its pod manager.
bool node_agent::takes_room(const entry& e) {
  return !e.rejected && !e.removed && !terminal(e.object->as_pod());
}

admission_fault node_agent::admit(const object& wanted) const {
  auto& p = wanted.as_pod();
  if (terminal(p) || p.metadata.deletion_timestamp) return {};
  if (auto fault = unsupported_feature(wanted.document())) return fault;
  if (auto fault = forbidden_sysctl(p.spec, ctx_.settings.allowed_unsafe_sysctls)) return fault;
  resource_amounts used;
  int64_t count = 0;
  for (auto& [uid, e] : pods_) {
    if (!takes_room(e) || uid == wanted.uid()) continue;
    auto r = pod_requests_of(e.object->as_pod().spec);
    used.cpu_millicores = saturating_add(used.cpu_millicores, r.cpu_millicores);
    used.memory_bytes = saturating_add(used.memory_bytes, r.memory_bytes);
    ++count;
  }
  return resource_shortage(p.spec, used, count, ctx_.machine.allocatable, ctx_.settings.max_pods);
}

admission_fault node_agent::misplaced(const object& wanted) const {
  auto& p = wanted.as_pod();
  if (terminal(p) || p.metadata.deletion_timestamp) return {};
  placement::node_state here;
  here.name = ctx_.settings.node_name;
  here.labels = labels_;
  here.allowed_pods = std::numeric_limits<int64_t>::max();
  for (auto& [uid, e] : pods_)
    if (takes_room(e) && uid != wanted.uid()) here.add(placement::wants_of(e.object->as_pod().spec));
  auto wants = placement::wants_of(p.spec);
  wants.affinity = placement::node_affinity_of(wanted.document());
  return predicate_failure(std::move(wants), here);
}

void node_agent::judge(const std::string& uid) {
  auto& e = pods_[uid];
  e.judging = true;
  misplaced(*e.object) ? judge_place(uid) : judge_claims(uid);
}

/// The watch of nodes may be behind that of pods: the registry is asked before a pod is sent away.
void node_agent::judge_place(const std::string& uid) {
  ask(
      ctx_.registry, ctx_.settings.request_timeout,
      [this, uid](const object_list& nodes) {
        for (auto& ref : nodes.items)
          if (ref->key().name == ctx_.settings.node_name) labels_ = ref->meta().labels;
        auto i = pods_.find(uid);
        if (i == pods_.end() || i->second.actor || i->second.terminated) return;
        if (auto fault = misplaced(*i->second.object)) return reject(i->second, fault);
        judge_claims(uid);
      },
      [this, uid](const caf::error&) { after(std::chrono::seconds{1}, [this, uid] { judge_place(uid); }); },
      list_objects{"nodes", ""});
}

/// A claim of mode ReadWriteOncePod has one pod at a time, also where the scheduler was not asked or the
/// earlier pod is gone from the API and still ends. Source: the kubelet's GenerateMountVolumeFunc.
void node_agent::judge_claims(const std::string& uid) {
  auto i = pods_.find(uid);
  if (i == pods_.end() || i->second.actor || i->second.terminated) return;
  auto& e = i->second;
  auto& volumes = e.object->as_pod().spec.volumes;
  bool claims = std::any_of(volumes.begin(), volumes.end(),
                            [](auto& v) { return v.persistent_volume_claim.has_value(); });
  // One that is deleted before it began has nothing to mount.
  if (!claims || terminal(e.object->as_pod()) || e.object->meta().deletion_timestamp) return spawn_pod(uid);
  auto later = [this, uid] { after(claim_retry, [this, uid] { judge_claims(uid); }); };
  ask(
      ctx_.registry, ctx_.settings.request_timeout,
      [this, uid, later](const object_list& found) {
        auto again = pods_.find(uid);
        if (again == pods_.end() || again->second.actor || again->second.terminated) return;
        for (auto& claim : found.items)
          if (for_one_pod(*claim) && uses_claim(again->second.object->as_pod(), claim->key().name)
              && in_use(*claim, uid)) {
            await_claim(again->second, claim->as_persistent_volume_claim().spec.volume_name);
            return later();
          }
        spawn_pod(uid);
      },
      [later](const caf::error&) { later(); }, list_objects{"persistentvolumeclaims", e.object->key().ns});
}

/// Of pods that only the runtime knows nobody can tell which claims they use.
bool node_agent::in_use(const object& claim, const std::string& but) const {
  return !orphans_.empty() || std::any_of(pods_.begin(), pods_.end(), [&](auto& other) {
    auto& [uid, e] = other;
    return uid != but && e.actor && !e.terminated && e.object->key().ns == claim.key().ns
           && uses_claim(e.object->as_pod(), claim.key().name);
  });
}

/// Shown as one whose volumes are not there yet, and told once.
void node_agent::await_claim(entry& e, const std::string& volume) {
  if (std::exchange(e.waits_for_claim, true)) return;
  pod_facts facts;
  facts.object = &e.object->as_pod();
  facts.memory = &e.memory;
  e.status = make_document(to_json(pod_status_of(facts, wall_now())));
  this->send(ctx_.recorder,
             pod_event(ctx_, *e.object, "", "Warning", "FailedMount",
                       "MountVolume.SetUp failed for volume \"" + volume
                           + "\" : volume uses the ReadWriteOncePod access mode and is already in use by "
                             "another pod"));
  publish(e.object->uid());
}

void node_agent::reject(entry& e, const admission_fault& fault) {
  e.rejected = e.terminated = true;
  e.judging = false;
  pod_status status = e.object->as_pod().status;
  status.phase = "Failed";
  status.reason = fault.reason;
  status.message = fault.message;
  e.status = make_document(to_json(status));
  this->send(ctx_.recorder, pod_event(ctx_, *e.object, "", "Warning", fault.reason, fault.message));
  publish(e.object->uid());
}

} // namespace podium
