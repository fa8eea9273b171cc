// Documents to objects: strict decoding against the schema, with the words Kubernetes uses for what is wrong.
#pragma once
#include "config/document.hpp"
#include "config/schema.hpp"

#include <caf/expected.hpp>

namespace podium::config {

/// What to do with unknown and duplicate fields: the API's fieldValidation.
enum class field_validation : uint8_t {
  ignore, ///< drop them silently
  warn,   ///< drop them and say so in `warnings`
  strict, ///< refuse the object
};

/// Reads "Strict", "Warn", "Ignore" or "" (which is Warn, as in Kubernetes).
caf::expected<field_validation> parse_field_validation(std::string_view text);

/// One thing wrong with a document.
struct decode_problem {
  std::string path;    ///< "spec.containers[0].image"
  std::string text;    ///< `unknown field "spec.bogus"`, `json: cannot unmarshal …`
  bool at_key = false; ///< the key is wrong, not the value
};

/// What decoding gives. The object is usable when `errors` is empty.
struct decoded {
  group_version_kind gvk;
  group_version_kind named; ///< what the document says it is, if that is something else
  json::value object;
  std::vector<decode_problem> errors;        ///< wrong types and unreadable values
  std::vector<decode_problem> strict_errors; ///< unknown and duplicate fields, in strict mode
  std::vector<decode_problem> warnings;      ///< the same, in warn mode

  bool ok() const { return errors.empty() && strict_errors.empty(); }
};

/// Decodes `doc` as `expected` (its kind and apiVersion may be left out then, and must not differ). Unknown
/// fields are dropped; nulls, and empty lists and maps that need not be there, are dropped; quantities get
/// their canonical text, whole floats become integers, timestamps UTC.
decoded decode(const document& doc, const group_version_kind& expected,
               field_validation mode = field_validation::strict);

/// Decodes `doc` by the kind and apiVersion it names. Error if they are missing or not served.
caf::expected<decoded> decode(const document& doc, field_validation mode = field_validation::strict);

/// The message of the API's 400 answer: `Pod in version "v1" cannot be handled as a Pod: …`. Empty if `what`
/// is ok.
std::string api_message(const decoded& what);

/// An error for people who gave a file: one line a problem, each with "file:line:column:". None if `what` is
/// ok.
caf::error file_error(const document& doc, const decoded& what);

/// Makes one value of a field canonical (see decode); the text of the mistake if it is none. For patches and
/// protobuf.
std::string canonical_scalar(value_kind kind, json::value& value);

} // namespace podium::config
