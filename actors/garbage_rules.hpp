// What the garbage collector does about one object, from what is known of it, its owners and its dependents:
// pure functions, and the changed documents. The actor carries the answers out.
#pragma once
#include "messages/object.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace podium::garbage_rules {

/// The finalizers by which a deletion tells the garbage collector what to do about dependents.
constexpr std::string_view foreground_finalizer = "foregroundDeletion", orphan_finalizer = "orphan";

enum class owner_state : uint8_t {
  present,
  waiting, ///< it is being deleted and waits for its dependents to go first
  absent,  ///< there is no object with this uid at this place
  unseen,  ///< it is not in the picture, which may be late: to be looked up
  unknown, ///< of a kind that is not served, or a namespaced owner of a cluster-wide object: left alone
};

struct owner_fact {
  std::string uid;
  owner_state state = owner_state::present;
  bool blocks = false; ///< blockOwnerDeletion
};

/// All that counts for the decision about one object.
struct facts {
  bool deleting = false, waits = false, orphans = false; ///< deletionTimestamp, and the finalizers
  std::vector<owner_fact> owners;
  size_t dependents = 0, blocking = 0; ///< how many refer to it, and how many of them block its deletion
  bool circle = false;                 ///< a dependent waits for its own dependents, of which this may be one
  bool looked = false; ///< the dependents were looked up, not only watched, since it is being deleted
};

enum class step : uint8_t {
  none,
  look_up_owners,
  look_up_dependents,
  orphan_dependents, ///< take the references to it out of its dependents
  release,           ///< take the finalizer `text` away
  drop_owners,       ///< take the references to `uids` out of it
  unblock,           ///< it no longer blocks its owners' deletion
  remove,            ///< delete it, with `text` as the propagation policy
};

struct decision {
  step what = step::none;
  std::string_view text;
  std::vector<std::string> uids;
};

/// Source: the attemptToDelete and attemptToOrphan workers of Kubernetes' garbage collector.
decision decide(const facts& f);

/// Being deleted, and waiting for its dependents.
bool is_waiting(const object& of);
/// The references and finalizers of an object alone, its deletion mark; what others say of it is zero.
facts facts_of(const object& of);

// Documents for the registry.
boost::json::value without_finalizer(const object& of, std::string_view finalizer);
boost::json::value without_owners(const object& of, std::span<const std::string> uids);
boost::json::value unblocked(const object& of);

} // namespace podium::garbage_rules
