// DeleteOptions: from the query, from a body, and from inside an Eviction.
#pragma once
#include "api/body.hpp"

namespace podium::api {

struct delete_options {
  int64_t grace_seconds = -1; ///< -1: the object's own
  std::string uid, propagation;
  uint64_t version = 0; ///< precondition, 0 is any
  bool dry_run = false;
};

/// The options of the query, then those of the body, which win.
outcome<delete_options> read_delete_options(call& c);

/// Takes the fields of a DeleteOptions object over into `out`; what is wrong is the answer. Source:
/// ValidateDeleteOptions.
std::optional<failure> take_delete_options(const boost::json::object& from, delete_options& out);

/// What to ask the registry for.
delete_object delete_request(const delete_options& options, object_key key);

} // namespace podium::api
