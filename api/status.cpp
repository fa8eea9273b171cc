#include "api/status.hpp"

namespace podium::api {
namespace {

namespace json = boost::json;

std::string quoted(const resource& r, std::string_view name) {
  return r.qualified() + " \"" + std::string{name} + "\"";
}

failure about(int code, std::string reason, std::string message, const resource& r, std::string_view name) {
  failure f{code, std::move(reason), std::move(message)};
  f.name = name;
  f.group = r.group;
  f.kind = r.plural;
  return f;
}

} // namespace

json::object failure::document() const {
  json::object details;
  if (!name.empty()) details["name"] = name;
  if (!group.empty()) details["group"] = group;
  if (!kind.empty()) details["kind"] = kind;
  if (!uid.empty()) details["uid"] = uid;
  if (!causes.empty()) {
    json::array list;
    for (auto& c : causes) {
      json::object cause{{"reason", c.reason}, {"message", c.message}};
      if (!c.field.empty()) cause["field"] = c.field;
      list.push_back(std::move(cause));
    }
    details["causes"] = std::move(list);
  }
  if (retry_after_seconds > 0) details["retryAfterSeconds"] = retry_after_seconds;
  json::object status{{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", json::object{}},
                      {"status", "Failure"}, {"message", message}, {"reason", reason}};
  if (!details.empty()) status["details"] = std::move(details);
  status["code"] = code;
  return status;
}

std::string failure::json() const {
  return json::serialize(document()) + "\n";
}

failure bad_request(std::string message) {
  return {400, "BadRequest", std::move(message)};
}

failure unauthorized() {
  return {401, "Unauthorized", "Unauthorized"};
}

failure forbidden(const resource& r, std::string_view name, std::string why) {
  auto subject = name.empty() ? r.qualified() : quoted(r, name);
  return about(403, "Forbidden", subject + " is forbidden: " + why, r, name);
}

failure not_found(const resource& r, std::string_view name) {
  return about(404, "NotFound", quoted(r, name) + " not found", r, name);
}

failure unknown_path() {
  return {404, "NotFound", "the server could not find the requested resource"};
}

failure method_not_allowed() {
  return {405, "MethodNotAllowed", "the server does not allow this method on the requested resource"};
}

failure already_exists(const resource& r, std::string_view name) {
  return about(409, "AlreadyExists", quoted(r, name) + " already exists", r, name);
}

failure conflict(const resource& r, std::string_view name, std::string_view why) {
  return about(409, "Conflict",
               "Operation cannot be fulfilled on " + quoted(r, name) + ": " + std::string{why}, r, name);
}

failure modified(const resource& r, std::string_view name) {
  return conflict(
      r, name, "the object has been modified; please apply your changes to the latest version and try again");
}

failure expired(std::string message) {
  return {410, "Expired", std::move(message)};
}

failure too_large(std::string message) {
  return {413, "RequestEntityTooLarge", std::move(message)};
}

failure unsupported_media_type(std::string_view accepted) {
  return {415, "UnsupportedMediaType",
          "the body of the request was in an unknown format - accepted media types include: "
              + std::string{accepted}};
}

failure invalid_kind(std::string_view kind, std::string_view group, std::string_view name,
                     std::vector<status_cause> causes) {
  std::string text;
  for (auto& c : causes) {
    if (!text.empty()) text += ", ";
    if (!c.field.empty()) text += c.field + ": ";
    text += c.message;
  }
  if (causes.size() > 1) text = "[" + text + "]";
  auto full_kind = group.empty() ? std::string{kind} : std::string{kind} + "." + std::string{group};
  failure f{422, "Invalid", full_kind + " \"" + std::string{name} + "\" is invalid: " + text};
  f.name = name;
  f.group = group;
  f.kind = kind;
  f.causes = std::move(causes);
  return f;
}

failure invalid(const resource& r, std::string_view name, std::vector<status_cause> causes) {
  return invalid_kind(r.kind, r.group, name, std::move(causes));
}

failure too_many_requests(std::string message, int retry_after_seconds) {
  failure f{429, "TooManyRequests", std::move(message)};
  f.retry_after_seconds = retry_after_seconds;
  return f;
}

failure internal_error(std::string_view message) {
  return {500, "InternalError", "Internal error occurred: " + std::string{message}};
}

failure from_error(const caf::error& err, const resource& r, std::string_view name) {
  auto text = message_of(err);
  switch (code_of(err)) {
  case errc::bad_request:
    return bad_request(text);
  case errc::unauthorized:
    return unauthorized();
  case errc::forbidden:
    return forbidden(r, name, text);
  case errc::not_found:
    // The registry speaks of a missing namespace in its own words.
    if (text.starts_with("namespaces \"")) {
      auto* ns = find_resource("", "v1", "namespaces");
      auto missing = text.substr(12, text.find('"', 12) - 12);
      return not_found(*ns, missing);
    }
    return not_found(r, name);
  case errc::already_exists:
    return already_exists(r, name);
  case errc::conflict:
    return text.empty() ? modified(r, name) : conflict(r, name, text);
  case errc::expired:
    return expired(text);
  case errc::too_large:
    return too_large(text);
  case errc::invalid:
    return invalid(r, name, {{"FieldValueInvalid", text, ""}});
  case errc::too_many_requests:
    return too_many_requests(text, 1);
  case errc::no_space:
    return {507, "InsufficientStorage", "the store is full, writes are refused: " + text};
  case errc::timeout:
    return {504, "Timeout", "Timeout: request did not complete within the allotted timeout"};
  case errc::unavailable:
    return {503, "ServiceUnavailable", "the server is currently unable to handle the request: " + text};
  default:
    return internal_error(text);
  }
}

std::string success_status(const resource& r, std::string_view name, std::string_view uid) {
  json::object details{{"name", name}};
  if (!r.group.empty()) details["group"] = r.group;
  details["kind"] = r.plural;
  details["uid"] = uid;
  return json::serialize(json::object{{"kind", "Status"},
                                      {"apiVersion", "v1"},
                                      {"metadata", json::object{}},
                                      {"status", "Success"},
                                      {"details", std::move(details)}})
         + "\n";
}

} // namespace podium::api
