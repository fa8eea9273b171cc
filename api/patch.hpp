// The three patches of the API, as pure functions from a document and a patch to a document.
#pragma once
#include "config/schema.hpp"

#include <boost/json.hpp>
#include <caf/expected.hpp>

namespace podium::api {

/// RFC 7396: null removes, objects merge, everything else replaces.
boost::json::value merge_patch(boost::json::value original, const boost::json::value& patch);

/// RFC 6902. Errors: errc::bad_request for what is no patch; errc::invalid for one that cannot be applied (a
/// path that is not there, a failed test).
caf::expected<boost::json::value> json_patch(boost::json::value original, const boost::json::value& patch);

/// Kubernetes' strategic merge: lists merge by the schema's merge keys; the directives $patch, $retainKeys,
/// $setElementOrder/LIST and $deleteFromPrimitiveList/LIST are honoured. `type` may be null: then it is a
/// merge patch with directives. Error: errc::bad_request.
caf::expected<boost::json::value> strategic_merge_patch(boost::json::value original,
                                                        const boost::json::value& patch,
                                                        const config::schema_type* type);

} // namespace podium::api
