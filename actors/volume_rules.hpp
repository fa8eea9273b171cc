// Which claim gets which volume, and what becomes of both: pure. Source of every rule and text: Kubernetes'
// persistent volume controller.
#pragma once
#include "actors/node_affinity.hpp"
#include "core/time.hpp"
#include "messages/object.hpp"
#include "messages/storage.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace podium::volume_rules {

constexpr std::string_view own_provisioner = "podium.io/host-directory";
constexpr std::string_view default_class = "standard";
constexpr std::string_view claim_finalizer = "kubernetes.io/pvc-protection";
constexpr std::string_view volume_finalizer = "kubernetes.io/pv-protection";

/// Annotation: who made a volume.
constexpr auto provisioned_by = "pv.kubernetes.io/provisioned-by";

/// What is seen of the registry.
struct picture {
  std::map<std::string, object_ref> volumes, classes;
  std::map<object_key, object_ref> claims;
  std::map<object_key, int> users;   ///< claims, and how many pods that have not ended refer to them
  std::map<object_key, int> holders; ///< the same, only pods that are on a node
};

/// Something to tell about an object.
struct notice {
  std::string type, reason, message;
  bool operator==(const notice&) const = default;
};

/// What is to be done next about one object; at most one of the writes, and perhaps something to tell.
struct step {
  enum class kind : uint8_t {
    none,
    update,           ///< write `document`
    put_status,       ///< write its status
    make_directory,   ///< for the claim's new volume, then create it (`volume_for`)
    remove_directory, ///< of the volume, then delete it
    remove,           ///< delete the object
  };
  kind what = kind::none;
  object_key key;
  boost::json::value document;
  std::optional<notice> tell;
};

/// Why the volume cannot serve the claim; "" when it can. The words are of the event VolumeMismatch.
std::string mismatch(const persistent_volume& volume, const persistent_volume_claim& claim);

/// The volume for an unbound claim: one that is reserved for it, else the smallest that serves it.
object_ref find_volume(const object& claim, const picture& seen);

step decide_claim(const object_ref& claim, const picture& seen);
step decide_volume(const object_ref& volume, const picture& seen, wall_time now);

/// What a pod's claims mean for its placing. `waits` without a failure: soon, nothing is wrong.
struct claim_verdict {
  bool waits = false;
  std::string failure;                         ///< in the scheduler's words
  std::vector<placement::node_affinity> nodes; ///< of each bound volume that names nodes: all must match
  std::vector<object_key> alone;               ///< claims that one pod may use at a time: ReadWriteOncePod
};
claim_verdict judge_pod(const object& pod, const picture& seen);
/// The newest class that is marked as the default one; null without any.
object_ref default_class_of(const picture& seen);
/// Whether a pod's volumes refer to the claim.
bool uses_claim(const object& pod, const object_key& claim);

/// What a volume says of the claim that has it. (These are in volume_documents.cpp.)
boost::json::object reference_to(const object& claim);
/// "pvc-<uid>": the name of the volume that is made for a claim.
std::string name_for(const object& claim);
/// The volume that is made for a claim, bound to it, on `node`.
boost::json::value volume_for(const object& claim, const object& storage_class, const std::string& path,
                              const std::string& node);
/// The storage class of podium's own provisioner.
boost::json::value default_class_document();

} // namespace podium::volume_rules
