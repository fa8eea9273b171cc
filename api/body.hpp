// Request bodies: JSON, YAML and protobuf to decoded objects; what is wrong becomes the answer.
#pragma once
#include "api/call.hpp"
#include "config/decode.hpp"

#include <optional>
#include <variant>

namespace podium::api {

/// What a YAML body may be: the loop serves nobody while it reads one.
constexpr config::text_limits yaml_limits{.nodes = 100'000};

/// The media type of a body without its parameters, lower case; "" when none was sent.
std::string content_type_of(const http_request& request);

/// The body as a document, unchecked. `kinds_differ` in protobuf are seen by decode_object.
outcome<config::document> read_document(const http_request& request);

/// The query's fieldValidation.
outcome<config::field_validation> validation_of(const http_query& query, config::field_validation absent);

/// Decodes the body as `gvk`; unknown fields are refused, warned of (into c.warnings) or dropped, as asked
/// for. Kind and apiVersion are filled in.
outcome<boost::json::object> read_object(call& c, const config::group_version_kind& gvk);

/// Takes the identity of the URL over into metadata, refuses what differs.
std::optional<failure> adopt_identity(const call& c, boost::json::object& object, bool must_have_name);

/// True for dryRun=All; another value is a failure.
outcome<bool> is_dry_run(const http_query& query);

/// metadata of an object, made if absent.
boost::json::object& metadata_of(boost::json::object& object);
/// The text of a metadata field, or "".
std::string metadata_text(const boost::json::object& object, std::string_view field);

} // namespace podium::api
