// metav1.Status: the body of every answer that is not an object, and of every error.
#pragma once
#include "config/validate.hpp"

#include <boost/json.hpp>
#include <caf/error.hpp>
#include <string>
#include <string_view>

namespace podium::config {

namespace json = boost::json;

/// What an answer is about. `kind` is the plural resource ("pods"); for Invalid it is the Kind ("Pod").
struct status_subject {
  std::string name;
  std::string group;
  std::string kind;
  std::string uid;
};

/// A Status with its HTTP code.
struct status_answer {
  int code = 500;
  json::value body;
};

/// The HTTP code and reason of an error's code ("NotFound" with 404).
int http_code(caf::error const& err);
std::string_view status_reason(caf::error const& err);

/// Status Failure for `err`: its code, reason and text.
status_answer make_status(const caf::error& err, const status_subject& about = {});

/// Status Failure with a reason and code of its own.
status_answer make_status(int code, std::string_view reason, std::string message,
                          const status_subject& about = {});

/// 422: `Pod "p9" is invalid: spec.containers[0].name: Required value` with the causes kubectl prints.
/// `about.kind` is the Kind.
status_answer make_invalid_status(const status_subject& about, const field_causes& causes);

/// 404: `pods "x" not found`, or `deployments.apps "x" not found`.
status_answer make_not_found_status(const status_subject& about);

/// 409: `pods "x" already exists`.
status_answer make_already_exists_status(const status_subject& about);

/// 409: the object has been modified since it was read.
status_answer make_conflict_status(const status_subject& about, std::string_view why = {});

/// Status Success of a plain delete.
status_answer make_success_status(const status_subject& about);

/// The text of make_invalid_status alone, for files and events.
std::string invalid_message(const status_subject& about, const field_causes& causes);

} // namespace podium::config
