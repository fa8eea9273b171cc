// A refused request as the API says it: metav1.Status with the texts kubectl's users know.
#pragma once
#include "api/resources.hpp"
#include "core/error.hpp"

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace podium::api {

/// One thing wrong with an object: metav1.StatusCause.
struct status_cause {
  std::string reason;  ///< FieldValueRequired, FieldValueInvalid, ...
  std::string message; ///< without the field
  std::string field;   ///< "spec.containers[0].name"
};

/// A failure. `code` is the HTTP status.
struct failure {
  int code = 500;
  std::string reason, message;
  std::string name, group, kind, uid; ///< of details; empty ones are left out
  std::vector<status_cause> causes;
  int retry_after_seconds = 0; ///< > 0 makes clients wait and come again

  boost::json::object document() const;
  std::string json() const;
};

failure bad_request(std::string message);
failure unauthorized();
/// `pods "x" is forbidden: <why>`; without a name `pods is forbidden: <why>`.
failure forbidden(const resource& r, std::string_view name, std::string why);
failure not_found(const resource& r, std::string_view name);
/// For paths that mean nothing.
failure unknown_path();
failure method_not_allowed();
failure already_exists(const resource& r, std::string_view name);
/// `Operation cannot be fulfilled on pods "x": <why>`.
failure conflict(const resource& r, std::string_view name, std::string_view why);
failure modified(const resource& r, std::string_view name);
failure expired(std::string message);
failure too_large(std::string message);
failure unsupported_media_type(std::string_view accepted);
/// `Pod "x" is invalid: …`; the text is made of the causes.
failure invalid(const resource& r, std::string_view name, std::vector<status_cause> causes);
failure invalid_kind(std::string_view kind, std::string_view group, std::string_view name,
                     std::vector<status_cause> causes);
failure too_many_requests(std::string message, int retry_after_seconds);
failure internal_error(std::string_view message);

/// What an error of the registry means for a request on `r`/`name`.
failure from_error(const caf::error& err, const resource& r, std::string_view name);

/// `{"status":"Success"}` with details, the answer of a delete that left nothing.
std::string success_status(const resource& r, std::string_view name, std::string_view uid);

} // namespace podium::api
