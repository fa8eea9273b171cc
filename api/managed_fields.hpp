// metadata.managedFields: who owns which fields of an object, and what server-side apply makes of it. Pure
// functions from documents to documents. The rules, texts and forms are Kubernetes'.
#pragma once
#include "config/field_walk.hpp"

#include <optional>

namespace podium::api {

/// One entry: a manager, how it writes, and what it owns.
struct field_manager {
  std::string name;
  bool applies = false; ///< operation Apply; else Update
  std::string api_version, subresource;
  std::string time; ///< RFC 3339, or ""
  config::field_set fields;

  /// `"kubectl"`, or `"kubectl-edit" with subresource "status" using v1`: as conflicts name it.
  std::string to_string() const;
};

/// All entries of an object.
using field_managers = std::vector<field_manager>;

/// Reads metadata.managedFields. Errors: errc::bad_request if an entry is none, errc::too_large for too many.
caf::expected<field_managers> read_managers(const boost::json::object& document);
inline caf::expected<field_managers> read_managers(const boost::json::value& document) {
  return document.is_object() ? read_managers(document.get_object()) : field_managers{};
}

/// errc::too_large when there are more managers than are kept.
caf::error check_managers(const field_managers& managers);

/// Writes them in Kubernetes' order; an empty list says that there are none any more.
void write_managers(boost::json::value& document, field_managers managers);

/// Who writes, and where.
struct field_write {
  const config::schema_type* type = nullptr;
  config::group_version_kind gvk;
  std::string manager, subresource;
  std::string time;          ///< now, RFC 3339
  config::field_set ignored; ///< what this way in does not change, whatever the body says
};

/// Fields that every object has or that only the server writes: nobody owns them.
const config::field_set& unowned_fields();

/// What an object is before it is created: its parts, without content.
boost::json::value empty_document(const config::schema_type& type, const config::group_version_kind& gvk);

/// Notes in `after` that `by` has made it of `before`: all that differs is its manager's. What `after` says
/// of managedFields itself counts as in Kubernetes: a list of entries is taken over, [{}] ends the
/// book-keeping, anything else changes nothing. Objects without book-keeping are left without, unless they
/// are created
/// (`before` is an empty_document()).
void track_update(const boost::json::value& before, boost::json::value& after, const field_write& by,
                  bool creating);

/// A field that somebody else owns and whose value would change.
struct field_conflict {
  std::string manager; ///< as in field_manager::to_string()
  std::string path;    ///< .spec.containers[name="a"].image
};

/// What an apply comes to: the document, or what stands against it.
struct applied {
  boost::json::value document;
  std::vector<field_conflict> conflicts;
};

/// Merges `configuration` into `live`: its fields become the manager's, and what the manager had applied
/// before and nobody else owns goes. Defaults are not filled in. Errors: what decoding the result says.
caf::expected<applied> apply_configuration(const boost::json::value& live,
                                           const boost::json::value& configuration, const field_write& by,
                                           bool force);

/// Gives `after` the managedFields of `before` if nothing but their times differs between the two: a write
/// that changes nothing is none.
void keep_times(boost::json::value& before, boost::json::value& after);

} // namespace podium::api
