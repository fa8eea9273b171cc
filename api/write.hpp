// What creates, updates and patches share: the checks before a write, and the write itself with its second
// chances.
#pragma once
#include "api/write_options.hpp"

#include <functional>

namespace podium::api {

/// A next version, ready to be stored, or why not. Called with the version that is stored now; called again
/// with a newer one when another write came between.
struct next_version {
  boost::json::value document;
  bool pinned = false; ///< the client named the version it changes: a conflict is the client's
  std::string uid;     ///< precondition, "" is any
};
using make_next = std::function<outcome<next_version>(const object& current)>;

/// Runs a step of a write that is not the request's first: nothing when the client has gone, a 500 for an
/// exception, which must not reach the loop.
void next_step(const call_ptr& c, const std::function<void()>& f);

/// Runs the first step of a write when it is the request's turn to write its object; 504 when that takes too
/// long.
void in_turn(const call_ptr& c, std::function<void(write_turns::turn)> f);

/// Reads the current version, makes the next and stores `part` of it; after a conflict that is not the
/// client's it reads again, a few times. Writes of one object wait for each other. Answers the request.
void store_update(const call_ptr& c, update_part part, bool dry_run, const make_next& next);

/// Defaults and validates `after` as the successor of `before`; the answer is what to refuse it with.
std::optional<failure> check_update(const call& c, update_part part, const boost::json::value& before,
                                    boost::json::value& after);

/// The stored version in the form of the request's version of the API, and what is to be stored of that form.
boost::json::value shown_form(const resource& r, const object& stored);
boost::json::value stored_form(const resource& r, boost::json::value document);

/// Fills in a new object's defaults and its first status and validates it.
std::optional<failure> check_create(const call& c, boost::json::value& document);

/// PATCH with an applied configuration (write_apply.cpp).
void serve_apply(const call_ptr& c);

/// The part of the object a route's writes change.
update_part part_of(const call& c);

} // namespace podium::api
