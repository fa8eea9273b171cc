#include "actors/volume_rules.hpp"

#include "config/selector.hpp"
#include "core/quantity.hpp"
#include "messages/pod.hpp"

#include <algorithm>

namespace podium::volume_rules {
namespace {

namespace json = boost::json;
using kind = step::kind;

constexpr auto bind_completed = "pv.kubernetes.io/bind-completed";
constexpr auto bound_by_controller = "pv.kubernetes.io/bound-by-controller";

json::object& child(json::object& parent, std::string_view name) {
  auto& value = parent[name];
  if (!value.is_object()) value = json::object{};
  return value.get_object();
}

quantity storage_of(const quantity_map& amounts) {
  auto found = amounts.find("storage");
  auto parsed = quantity::parse(found == amounts.end() ? "0" : found->second);
  return parsed ? *parsed : quantity{};
}

bool has_finalizer(const object& ref, std::string_view name) {
  auto& all = ref.meta().finalizers;
  return std::find(all.begin(), all.end(), name) != all.end();
}

/// The object without one of its finalizers.
step without_finalizer(const object_ref& ref, std::string_view name) {
  auto document = ref->document();
  auto& list = child(document.as_object(), "metadata")["finalizers"].as_array();
  list.erase(std::remove(list.begin(), list.end(), json::value(name)), list.end());
  return {kind::update, ref->key(), std::move(document), {}};
}

bool refers_to(const claim_reference& ref, const object& claim) {
  return ref.namespace_ == claim.key().ns && ref.name == claim.key().name
         && (ref.uid.empty() || ref.uid == claim.uid());
}

bool annotated(const object& ref, const char* key) {
  return ref.meta().annotations.contains(key);
}

const storage_class* class_of(const persistent_volume_claim& claim, const picture& seen) {
  auto found = seen.classes.find(claim.spec.storage_class_name.value_or(""));
  return found == seen.classes.end() ? nullptr : &found->second->as_storage_class();
}

} // namespace

object_ref default_class_of(const picture& seen) {
  object_ref best;
  for (auto& [name, ref] : seen.classes) {
    auto& notes = ref->meta().annotations;
    auto marked = notes.find("storageclass.kubernetes.io/is-default-class");
    if (marked == notes.end() || marked->second != "true") continue;
    if (!best || best->meta().creation_timestamp < ref->meta().creation_timestamp) best = ref;
  }
  return best;
}

namespace {

/// A claim that came before there was a default class is given it. Source: RetroactiveDefaultStorageClass.
step with_class(const object_ref& claim, const object_ref& from) {
  auto document = claim->document();
  child(document.as_object(), "spec")["storageClassName"] = from->key().name;
  return {kind::update, claim->key(), std::move(document), {}};
}

/// The claim's status; nothing to do when it says so already.
step claim_status(const object_ref& claim, const std::string& phase, const persistent_volume* volume,
                  std::optional<notice> tell = {}) {
  auto& status = claim->as_persistent_volume_claim().status;
  auto same =
      status.phase == phase
      && (!volume
          || (status.access_modes == volume->spec.access_modes && status.capacity == volume->spec.capacity));
  if (same) return {kind::none, claim->key(), {}, std::move(tell)};
  auto document = claim->document();
  auto& out = child(document.as_object(), "status");
  out["phase"] = phase;
  if (volume) {
    json::array modes;
    for (auto& mode : volume->spec.access_modes)
      modes.emplace_back(mode);
    out["accessModes"] = std::move(modes);
    json::object capacity;
    for (auto& [name, amount] : volume->spec.capacity)
      capacity[name] = amount;
    out["capacity"] = std::move(capacity);
  }
  return {kind::put_status, claim->key(), json::value(out), std::move(tell)};
}

step waiting(const object_ref& claim, std::string type, std::string reason, std::string message) {
  return claim_status(claim, "Pending", nullptr,
                      notice{std::move(type), std::move(reason), std::move(message)});
}

/// Writes the claim's name into the volume. The volume is the first to know: two claims cannot both have it.
step bind_volume(const object_ref& volume, const object& claim) {
  auto document = volume->document();
  auto& root = document.as_object();
  auto& spec = child(root, "spec");
  bool reserved = spec.contains("claimRef");
  spec["claimRef"] = reference_to(claim);
  if (!reserved) child(child(root, "metadata"), "annotations")[bound_by_controller] = "yes";
  return {kind::update, volume->key(), std::move(document), {}};
}

/// Writes the volume's name into the claim.
step bind_claim(const object_ref& claim, const object& volume) {
  auto document = claim->document();
  auto& root = document.as_object();
  auto& spec = child(root, "spec");
  auto& notes = child(child(root, "metadata"), "annotations");
  if (claim->as_persistent_volume_claim().spec.volume_name.empty()) notes[bound_by_controller] = "yes";
  notes[bind_completed] = "yes";
  spec["volumeName"] = volume.key().name;
  return {kind::update, claim->key(), std::move(document), {}};
}

step bind_both(const object_ref& claim, const object_ref& volume) {
  auto& ref = volume->as_persistent_volume().spec.claim_ref;
  if (!ref || ref->uid != claim->uid()) return bind_volume(volume, *claim);
  return bind_claim(claim, *volume);
}

bool is_ours(const object& volume) {
  auto by = volume.meta().annotations.find(provisioned_by);
  return by != volume.meta().annotations.end() && by->second == own_provisioner;
}

/// A bound claim asks for more than its volume has (the API let it: the class allows it). A directory has no
/// size of its own, so that it grows by being told; other volumes are for who made them. The words are of the
/// external resizer and of the controller that waits for it.
step grow(const object_ref& claim, const object_ref& volume) {
  if (!is_ours(*volume))
    return claim_status(
        claim, "Bound", &volume->as_persistent_volume(),
        notice{"Normal", "ExternalExpanding", "waiting for an external controller to expand this PVC"});
  auto document = volume->document();
  child(child(document.as_object(), "spec"), "capacity")["storage"] =
      claim->as_persistent_volume_claim().spec.resources.requests.at("storage");
  return {kind::update, volume->key(), std::move(document),
          notice{"Normal", "VolumeResizeSuccessful", "Resize volume succeeded"}};
}

/// A claim that has been bound: its volume must be there and be its own.
step decide_bound(const object_ref& claim, const picture& seen) {
  auto& name = claim->as_persistent_volume_claim().spec.volume_name;
  auto lost = [&](std::string reason, std::string message) {
    if (claim->as_persistent_volume_claim().status.phase == "Lost") return step{};
    return claim_status(claim, "Lost", nullptr, notice{"Warning", std::move(reason), std::move(message)});
  };
  if (name.empty())
    return lost("ClaimLost",
                "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!");
  auto found = seen.volumes.find(name);
  if (found == seen.volumes.end())
    return lost("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
  auto& volume = found->second->as_persistent_volume();
  if (!volume.spec.claim_ref) return bind_volume(found->second, *claim);
  if (volume.spec.claim_ref->uid != claim->uid())
    return lost("ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly");
  if (storage_of(volume.spec.capacity)
      < storage_of(claim->as_persistent_volume_claim().spec.resources.requests))
    return grow(claim, found->second);
  return claim_status(claim, "Bound", &volume);
}

/// A claim that names its volume.
step decide_named(const object_ref& claim, const picture& seen) {
  auto& view = claim->as_persistent_volume_claim();
  auto found = seen.volumes.find(view.spec.volume_name);
  if (found == seen.volumes.end()) return claim_status(claim, "Pending", nullptr);
  auto& volume = found->second->as_persistent_volume();
  if (auto& ref = volume.spec.claim_ref; ref && !refers_to(*ref, *claim))
    return waiting(claim, "Warning", "FailedBinding",
                   "volume \"" + view.spec.volume_name + "\" already bound to a different claim.");
  if (auto why = mismatch(volume, view); !why.empty())
    return waiting(claim, "Warning", "VolumeMismatch",
                   "Cannot bind to requested volume \"" + view.spec.volume_name + "\": " + why);
  return bind_both(claim, found->second);
}

step provision(const object_ref& claim, const storage_class& from) {
  auto& view = claim->as_persistent_volume_claim();
  auto failed = [&](const std::string& why) {
    return waiting(claim, "Warning", "ProvisioningFailed",
                   "Failed to provision volume with StorageClass \"" + from.metadata.name + "\": " + why);
  };
  if (from.provisioner == "kubernetes.io/no-provisioner")
    return waiting(claim, "Normal", "FailedBinding",
                   "no persistent volumes available for this claim and no storage class is set");
  if (from.provisioner != own_provisioner)
    return waiting(claim, "Normal", "ExternalProvisioning",
                   "Waiting for a volume to be created either by the external provisioner '"
                       + from.provisioner
                       + "' or manually by the system administrator. If volume creation is delayed, please "
                         "verify that the provisioner is running and correctly registered.");
  if (view.spec.selector) return failed("claim.Spec.Selector is not supported");
  if (view.spec.volume_mode == "Block") return failed("directories are no block devices");
  return {kind::make_directory, claim->key(), {}, {}};
}

std::string with_phase(const std::string& phase, const std::string& reason, const std::string& message) {
  return phase + '\n' + reason + '\n' + message;
}

step volume_status(const object_ref& volume, const std::string& phase, wall_time now,
                   const std::string& reason = {}, const std::string& message = {},
                   std::optional<notice> tell = {}) {
  auto& status = volume->as_persistent_volume().status;
  if (with_phase(status.phase, status.reason, status.message) == with_phase(phase, reason, message))
    return {};
  json::object out{{"phase", phase}, {"lastPhaseTransitionTime", to_rfc3339(now)}};
  if (!reason.empty()) out["reason"] = reason;
  if (!message.empty()) out["message"] = message;
  return {kind::put_status, volume->key(), std::move(out), std::move(tell)};
}

/// The claim of a volume is gone.
step reclaim(const object_ref& volume, wall_time now) {
  auto& view = volume->as_persistent_volume();
  auto& policy = view.spec.persistent_volume_reclaim_policy;
  if (view.status.phase != "Released" && view.status.phase != "Failed")
    return volume_status(volume, "Released", now);
  if (view.status.phase == "Failed" || policy == "Retain" || policy.empty()) return {};
  if (policy == "Delete" && is_ours(*volume)) return {kind::remove_directory, volume->key(), {}, {}};
  // Somebody else made it, and takes it away.
  if (policy == "Delete" && volume->meta().annotations.contains(provisioned_by)) return {};
  auto [reason, what] = policy == "Delete" ? std::pair{"VolumeFailedDelete", "deletable"}
                                           : std::pair{"VolumeFailedRecycle", "recyclable"};
  auto why = "no " + std::string{what} + " volume plugin matched";
  return volume_status(volume, "Failed", now, reason, why, notice{"Warning", reason, why});
}

bool fits(const config::label_selector& selector, const std::map<std::string, std::string>& labels) {
  json::object as_json;
  for (auto& [key, value] : labels)
    as_json[key] = value;
  return selector.matches(&as_json);
}

} // namespace

std::string mismatch(const persistent_volume& volume, const persistent_volume_claim& claim) {
  if (storage_of(volume.spec.capacity) < storage_of(claim.spec.resources.requests))
    return "requested PV is too small";
  if (volume.spec.storage_class_name != claim.spec.storage_class_name.value_or(""))
    return "storageClassName does not match";
  auto mode = [](const std::string& text) { return text.empty() ? "Filesystem" : text; };
  if (mode(volume.spec.volume_mode) != mode(claim.spec.volume_mode)) return "incompatible volumeMode";
  auto& modes = volume.spec.access_modes;
  for (auto& wanted : claim.spec.access_modes)
    if (std::find(modes.begin(), modes.end(), wanted) == modes.end()) return "incompatible accessMode";
  return {};
}

object_ref find_volume(const object& claim, const picture& seen) {
  auto& wanted = claim.as_persistent_volume_claim();
  auto selector = config::read_label_selector(wanted.spec.selector.value_or(json::object{}));
  object_ref best;
  for (auto& [name, ref] : seen.volumes) {
    auto& volume = ref->as_persistent_volume();
    auto& owner = volume.spec.claim_ref;
    if (owner && !refers_to(*owner, claim)) continue;
    if (ref->meta().deletion_timestamp || !mismatch(volume, wanted).empty()) continue;
    if (owner) return ref;
    if (volume.status.phase != "Available" || !selector || !fits(*selector, ref->meta().labels)) continue;
    if (!best || storage_of(volume.spec.capacity) < storage_of(best->as_persistent_volume().spec.capacity))
      best = ref;
  }
  return best;
}

step decide_claim(const object_ref& claim, const picture& seen) {
  auto& view = claim->as_persistent_volume_claim();
  if (claim->meta().deletion_timestamp && !seen.holders.contains(claim->key()))
    return has_finalizer(*claim, claim_finalizer) ? without_finalizer(claim, claim_finalizer) : step{};
  if (annotated(*claim, bind_completed)) return decide_bound(claim, seen);
  if (claim->meta().deletion_timestamp) return {};
  if (!view.spec.volume_name.empty()) return decide_named(claim, seen);
  if (!view.spec.storage_class_name)
    if (auto best = default_class_of(seen)) return with_class(claim, best);
  auto* from = class_of(view, seen);
  bool waits = from && from->volume_binding_mode == "WaitForFirstConsumer";
  auto volume = find_volume(*claim, seen);
  bool reserved = volume && volume->as_persistent_volume().spec.claim_ref;
  if (waits && !reserved && !seen.users.contains(claim->key()))
    return waiting(claim, "Normal", "WaitForFirstConsumer",
                   "waiting for first consumer to be created before binding");
  if (volume) return bind_both(claim, volume);
  if (from) return provision(claim, *from);
  auto name = view.spec.storage_class_name.value_or("");
  if (name.empty())
    return waiting(claim, "Normal", "FailedBinding",
                   "no persistent volumes available for this claim and no storage class is set");
  return waiting(claim, "Warning", "ProvisioningFailed",
                 "storageclass.storage.k8s.io \"" + name + "\" not found");
}

step decide_volume(const object_ref& volume, const picture& seen, wall_time now) {
  auto& view = volume->as_persistent_volume();
  auto& ref = view.spec.claim_ref;
  auto found =
      ref ? seen.claims.find({"persistentvolumeclaims", ref->namespace_, ref->name}) : seen.claims.end();
  bool owned = found != seen.claims.end() && found->second->uid() == ref->uid;
  if (volume->meta().deletion_timestamp && !owned)
    return has_finalizer(*volume, volume_finalizer) ? without_finalizer(volume, volume_finalizer) : step{};
  if (!ref || ref->uid.empty()) return volume_status(volume, "Available", now);
  if (!owned) return reclaim(volume, now);
  auto& claimed = found->second->as_persistent_volume_claim().spec.volume_name;
  if (claimed == volume->key().name) return volume_status(volume, "Bound", now);
  // The claim has not said yes yet; where it took another, this one is free again.
  if (claimed.empty() || !annotated(*volume, bound_by_controller)) return {};
  auto document = volume->document();
  auto& root = document.as_object();
  child(root, "spec").erase("claimRef");
  child(child(root, "metadata"), "annotations").erase(bound_by_controller);
  return {kind::update, volume->key(), std::move(document), {}};
}

claim_verdict judge_pod(const object& pod, const picture& seen) {
  claim_verdict out;
  for (auto& v : pod.as_pod().spec.volumes) {
    if (!v.persistent_volume_claim) continue;
    auto& name = v.persistent_volume_claim->claim_name;
    auto said = "persistentvolumeclaim \"" + name + "\"";
    auto found = seen.claims.find({"persistentvolumeclaims", pod.key().ns, name});
    if (found == seen.claims.end()) return {true, said + " not found", {}, {}};
    auto& claim = found->second->as_persistent_volume_claim();
    if (claim.metadata.deletion_timestamp) return {true, said + " is being deleted", {}, {}};
    if (claim.status.phase == "Lost")
      return {
          true, said + " bound to non-existent persistentvolume \"" + claim.spec.volume_name + "\"", {}, {}};
    auto& modes = claim.spec.access_modes;
    if (std::find(modes.begin(), modes.end(), "ReadWriteOncePod") != modes.end())
      out.alone.push_back(found->first);
    if (claim.status.phase == "Bound") {
      auto volume = seen.volumes.find(claim.spec.volume_name);
      // The watches are not in step: a volume that is gone makes its claim Lost.
      if (volume == seen.volumes.end())
        out.waits = true;
      else if (auto& affinity = volume->second->as_persistent_volume().spec.node_affinity)
        out.nodes.push_back(placement::volume_affinity_of(*affinity));
      continue;
    }
    out.waits = true;
    auto* from = class_of(claim, seen);
    if (!from || from->volume_binding_mode != "WaitForFirstConsumer")
      out.failure = "pod has unbound immediate PersistentVolumeClaims";
  }
  return out;
}

bool uses_claim(const object& pod, const object_key& claim) {
  if (pod.key().ns != claim.ns) return false;
  auto& volumes = pod.as_pod().spec.volumes;
  return std::any_of(volumes.begin(), volumes.end(), [&](auto& v) {
    return v.persistent_volume_claim && v.persistent_volume_claim->claim_name == claim.name;
  });
}

} // namespace podium::volume_rules
