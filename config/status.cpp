#include "config/status.hpp"

#include "core/error.hpp"

#include <array>

namespace podium::config {
namespace {

struct code_row {
  errc code;
  int http;
  std::string_view reason;
};

constexpr std::array codes{
    code_row{errc::bad_request, 400, "BadRequest"},
    code_row{errc::unauthorized, 401, "Unauthorized"},
    code_row{errc::forbidden, 403, "Forbidden"},
    code_row{errc::not_found, 404, "NotFound"},
    code_row{errc::method_not_allowed, 405, "MethodNotAllowed"},
    code_row{errc::already_exists, 409, "AlreadyExists"},
    code_row{errc::conflict, 409, "Conflict"},
    code_row{errc::stale, 409, "Conflict"},
    code_row{errc::expired, 410, "Expired"},
    code_row{errc::too_large, 413, "RequestEntityTooLarge"},
    code_row{errc::unsupported_media_type, 415, "UnsupportedMediaType"},
    code_row{errc::invalid, 422, "Invalid"},
    code_row{errc::too_many_requests, 429, "TooManyRequests"},
    code_row{errc::unavailable, 503, "ServiceUnavailable"},
    code_row{errc::cancelled, 503, "ServiceUnavailable"},
    code_row{errc::no_space, 507, "InsufficientStorage"},
    code_row{errc::timeout, 504, "Timeout"},
};

const code_row& row_of(const caf::error& err) {
  static constexpr code_row other{errc::internal, 500, "InternalError"};
  auto code = code_of(err);
  for (const auto& row : codes)
    if (row.code == code) return row;
  return other;
}

json::object details_of(const status_subject& about) {
  json::object out;
  auto put = [&](std::string_view key, const std::string& text) {
    if (!text.empty()) out.emplace(key, text);
  };
  put("name", about.name);
  put("group", about.group);
  put("kind", about.kind);
  put("uid", about.uid);
  return out;
}

json::object base(std::string_view status) {
  return {{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::object{}}, {"status", status}};
}

std::string qualified(const status_subject& about) {
  return (about.group.empty() ? about.kind : about.kind + "." + about.group) + " \"" + about.name + "\"";
}

status_answer failure(int code, std::string_view reason, std::string_view message, json::object details) {
  auto body = base("Failure");
  body.emplace("message", message);
  body.emplace("reason", reason);
  if (!details.empty()) body.emplace("details", std::move(details));
  body.emplace("code", code);
  return {code, std::move(body)};
}

} // namespace

int http_code(const caf::error& err) {
  return row_of(err).http;
}

std::string_view status_reason(const caf::error& err) {
  return row_of(err).reason;
}

status_answer make_status(const caf::error& err, const status_subject& about) {
  const auto& row = row_of(err);
  auto message = message_of(err);
  if (row.http == 500) message = "Internal error occurred: " + message;
  return failure(row.http, row.reason, message, details_of(about));
}

status_answer make_status(int code, std::string_view reason, std::string message,
                          const status_subject& about) {
  return failure(code, reason, message, details_of(about));
}

std::string invalid_message(const status_subject& about, const field_causes& causes) {
  auto out =
      about.kind + (about.group.empty() ? "" : "." + about.group) + " \"" + about.name + "\" is invalid: ";
  if (causes.size() > 1) out += '[';
  bool first = true;
  for (const auto& cause : causes) {
    out += (first ? "" : ", ") + cause.field + ": " + cause.message;
    first = false;
  }
  if (causes.size() > 1) out += ']';
  return out;
}

status_answer make_invalid_status(const status_subject& about, const field_causes& causes) {
  json::array list;
  for (const auto& cause : causes)
    list.push_back({{"reason", to_string(cause.reason)}, {"message", cause.message}, {"field", cause.field}});
  auto details = details_of(about);
  details.emplace("causes", std::move(list));
  return failure(422, "Invalid", invalid_message(about, causes), std::move(details));
}

status_answer make_not_found_status(const status_subject& about) {
  return failure(404, "NotFound", qualified(about) + " not found", details_of(about));
}

status_answer make_already_exists_status(const status_subject& about) {
  return failure(409, "AlreadyExists", qualified(about) + " already exists", details_of(about));
}

status_answer make_conflict_status(const status_subject& about, std::string_view why) {
  std::string text{
      why.empty() ? std::string_view{"the object has been modified; please apply your changes to the latest "
                                     "version and try again"}
                  : why};
  return failure(409, "Conflict", "Operation cannot be fulfilled on " + qualified(about) + ": " + text,
                 details_of(about));
}

status_answer make_success_status(const status_subject& about) {
  auto body = base("Success");
  if (auto details = details_of(about); !details.empty()) body.emplace("details", std::move(details));
  return {200, std::move(body)};
}

} // namespace podium::config
