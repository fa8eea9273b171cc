// DeleteOptions: from the query, from a body, and from inside an Eviction.
#pragma once
#include "api/body.hpp"

namespace podium::api {

struct delete_options {
  int64_t grace_seconds = -1; ///< -1: the object's own
  std::string propagation;
  std::optional<std::string> uid, version; ///< preconditions; what is no version at all fits no object
  bool orphans_refused = false;            ///< orphanDependents: false
  bool dry_run = false;
};

/// The options of the query, then those of the body, which win.
outcome<delete_options> read_delete_options(call& c);

/// Takes the fields of a DeleteOptions object over into `out`; what is wrong is the answer. Source:
/// ValidateDeleteOptions.
std::optional<failure> take_delete_options(const boost::json::object& from, delete_options& out);

/// The conflict of a precondition that `current` does not meet. Versions are compared as text, so that "abc",
/// "" and "0" are nobody's. Source: rest.BeforeDelete, and namespaceDeleter for namespaces.
std::optional<failure> unmet_precondition(const resource& r, const delete_options& options,
                                          const object& current);

/// What to ask the registry for: it judges the preconditions again, on what is there by then.
delete_object delete_request(const delete_options& options, object_key key);

} // namespace podium::api
