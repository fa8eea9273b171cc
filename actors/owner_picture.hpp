// The garbage collector's picture of who owns whom.
#pragma once
#include "actors/garbage_collector.hpp"
#include "actors/garbage_rules.hpp"

#include <deque>
#include <map>
#include <set>

namespace podium {

/// The newest known version of every object by uid, and who refers to whom.
class owner_picture {
public:
  explicit owner_picture(const std::vector<collected_resource>& resources) : resources_(&resources) {}

  /// What a change means: whether it was one, the version before it, and the owners named before or after.
  struct change {
    bool news = false;
    object_ref before;
    std::set<std::string> owners;
  };
  /// Takes a version in; older ones than what is known, and objects known to be gone, are no news.
  change put(const object_ref& ref);
  /// The object is gone for good.
  change remove(const std::string& uid);

  object_ref find(const std::string& uid) const;
  std::vector<std::string> uids() const;
  /// The known objects of a resource that its list does not have.
  std::vector<std::string> not_in(const std::string& resource, const object_list& all) const;
  /// All that have a reference with this uid.
  std::vector<std::string> referring_to(const std::string& uid) const;
  /// Those of them whose reference means this object: of its kind and name, where it can be referred to.
  std::vector<std::string> dependents_of(const object& owner) const;
  static std::set<std::string> owners_of(const object& of);

  /// All facts but `looked`.
  garbage_rules::facts facts_of(const object& of) const;
  /// The lists in which owners must be that the picture does not have.
  std::vector<list_objects> unseen_owners_of(const object& of) const;
  /// Those lists were read: an owner that the picture still lacks is gone.
  void settle_owners_of(const object& of);
  /// The lists in which an object's dependents must be.
  std::vector<list_objects> where_dependents_are(const object& owner) const;

private:
  const collected_resource* resource_of(const owner_reference& ref) const;
  garbage_rules::owner_state state_of(const object& dependent, const owner_reference& ref) const;
  bool means(const object& dependent, const owner_reference& ref, const object& owner) const;
  void note_gone(const std::string& uid);

  const std::vector<collected_resource>* resources_;
  std::map<std::string, object_ref> objects_;
  std::map<std::string, std::set<std::string>> referring_; ///< owner's uid → dependents' uids
  /// uids that are gone; of the oldest nothing is known any more, so they would be looked up again.
  std::set<std::string> gone_;
  std::deque<std::string> gone_order_;
};

} // namespace podium
