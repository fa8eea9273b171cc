// A refused request as the API says it: config's Status answers, for rows of the resource table.
#pragma once
#include "api/resources.hpp"
#include "config/status.hpp"
#include "core/error.hpp"

#include <string>
#include <string_view>
#include <variant>

namespace podium::api {

/// A failure: the Status, its HTTP code, and when to come again.
struct failure {
  config::status_answer status;
  int retry_after_seconds = 0; ///< > 0 makes clients wait and try again

  int code() const { return status.code; }
  /// Always UTF-8, whatever a path or a query brought.
  std::string json() const;
};

/// What was wanted, or what to refuse the request with.
template <class T>
using outcome = std::variant<T, failure>;

failure bad_request(std::string message);
failure unauthorized();
/// `pods "x" is forbidden: <why>`; without a name `pods is forbidden: <why>`.
failure forbidden(const resource& r, std::string_view name, std::string_view why);
failure not_found(const resource& r, std::string_view name);
/// For paths that mean nothing.
failure unknown_path();
failure method_not_allowed();
/// The object has been modified since it was read, or `why`.
failure conflict(const resource& r, std::string_view name, std::string_view why = {});
failure expired(std::string message);
failure too_large(std::string message);
/// What the HTTP server refuses by itself: the reason Kubernetes gives that code.
failure refused_by_server(int code, std::string_view text);
/// No range of an Accept fits `served`, a list of media types.
failure not_acceptable(std::string_view served);
failure unsupported_media_type(std::string_view accepted);
/// `Pod "x" is invalid: …`; people read the causes.
failure invalid(const resource& r, std::string_view name, const config::field_causes& causes);
failure too_many_requests(std::string message, int retry_after_seconds);
failure unavailable(std::string message);
failure internal_error(std::string_view message);

/// What an error of the registry means for a request on `r`/`name`.
failure from_error(const caf::error& err, const resource& r, std::string_view name);

/// `{"status":"Success"}` with details, the answer of a delete that left nothing.
std::string success_status(const resource& r, std::string_view name, std::string_view uid);

} // namespace podium::api
