#include "api/status.hpp"

#include "core/utf8.hpp"

namespace podium::api {
namespace {

failure plain(int code, std::string_view reason, std::string message,
              const config::status_subject& about = {}) {
  return {config::make_status(code, reason, std::move(message), about)};
}

config::status_subject subject(const resource& r, std::string_view name, std::string_view uid = {}) {
  return {std::string{name}, std::string{r.group}, std::string{r.plural}, std::string{uid}};
}

} // namespace

std::string failure::json() const {
  return to_utf8(boost::json::serialize(status.body)) + "\n";
}

failure bad_request(std::string message) {
  return plain(400, "BadRequest", std::move(message));
}

failure unauthorized() {
  return plain(401, "Unauthorized", "Unauthorized");
}

failure forbidden(const resource& r, std::string_view name, std::string_view why) {
  auto text = r.qualified();
  if (!name.empty()) text += " \"" + std::string{name} + "\"";
  return plain(403, "Forbidden", text + " is forbidden: " + std::string{why}, subject(r, name));
}

failure not_found(const resource& r, std::string_view name) {
  return {config::make_not_found_status(subject(r, name))};
}

failure unknown_path() {
  auto out = plain(404, "NotFound", "the server could not find the requested resource");
  // Empty, yet there: kubectl debug reads it without a look.
  out.status.body.as_object()["details"] = boost::json::object{};
  return out;
}

failure method_not_allowed() {
  return plain(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
}

failure conflict(const resource& r, std::string_view name, std::string_view why) {
  return {config::make_conflict_status(subject(r, name), why)};
}

failure expired(std::string message) {
  return plain(410, "Expired", std::move(message));
}

failure too_large(std::string message) {
  return plain(413, "RequestEntityTooLarge", std::move(message));
}

failure refused_by_server(int code, std::string_view text) {
  static constexpr std::pair<int, std::string_view> reasons[] = {
      {400, "BadRequest"},         {408, "Timeout"}, {413, "RequestEntityTooLarge"}, {500, "InternalError"},
      {503, "ServiceUnavailable"},
  };
  for (auto& [known, reason] : reasons)
    if (known == code) return plain(code, reason, std::string{text});
  return plain(code, "Unknown", std::string{text});
}

failure not_acceptable(std::string_view served) {
  return plain(406, "NotAcceptable", "only the following media types are accepted: " + std::string{served});
}

failure unsupported_media_type(std::string_view accepted) {
  return plain(415, "UnsupportedMediaType",
               "the body of the request was in an unknown format - accepted media types include: "
                   + std::string{accepted});
}

failure invalid(const resource& r, std::string_view name, const config::field_causes& causes) {
  return {config::make_invalid_status({std::string{name}, std::string{r.group}, std::string{r.kind}, {}},
                                      causes)};
}

failure too_many_requests(std::string message, int retry_after_seconds) {
  auto f = plain(429, "TooManyRequests", std::move(message));
  f.retry_after_seconds = retry_after_seconds;
  return f;
}

failure unavailable(std::string message) {
  return plain(503, "ServiceUnavailable", std::move(message));
}

failure internal_error(std::string_view message) {
  return plain(500, "InternalError", "Internal error occurred: " + std::string{message});
}

failure from_error(const caf::error& err, const resource& r, std::string_view name) {
  auto text = message_of(err);
  switch (code_of(err)) {
  case errc::forbidden:
    return text.find(" is forbidden: ") != std::string::npos ? plain(403, "Forbidden", text, subject(r, name))
                                                             : forbidden(r, name, text);
  case errc::not_found:
    // A write into a namespace that is not there: the registry says so in these words.
    if (constexpr std::string_view prefix = "namespaces \""; text.starts_with(prefix)) {
      auto missing = text.substr(prefix.size(), text.find('"', prefix.size()) - prefix.size());
      return not_found(*find_resource("", "v1", "namespaces"), missing);
    }
    return not_found(r, name);
  case errc::already_exists: {
    auto answer = config::make_already_exists_status(subject(r, name));
    if (constexpr std::string_view prefix = "object is being deleted: "; text.starts_with(prefix))
      answer.body.as_object()["message"] =
          std::string{prefix} + std::string{answer.body.at("message").as_string()};
    return {std::move(answer)};
  }
  case errc::conflict:
  case errc::stale:
    return text.starts_with("Operation cannot be fulfilled") ? plain(409, "Conflict", text, subject(r, name))
                                                             : conflict(r, name, text);
  case errc::invalid:
    return plain(422, "Invalid", std::string{r.kind} + " \"" + std::string{name} + "\" is invalid: " + text,
                 {std::string{name}, std::string{r.group}, std::string{r.kind}, {}});
  case errc::unauthorized:
    return unauthorized();
  case errc::too_many_requests:
    return too_many_requests(text, 1);
  case errc::timeout:
    return plain(504, "Timeout", "Timeout: request did not complete within the allotted timeout");
  case errc::no_space:
    return plain(507, "InsufficientStorage", "the store is full and refuses writes: " + text);
  case errc::internal:
    return internal_error(text);
  default:
    return {config::make_status(err, subject(r, name))};
  }
}

std::string success_status(const resource& r, std::string_view name, std::string_view uid) {
  return boost::json::serialize(config::make_success_status(subject(r, name, uid)).body) + "\n";
}

} // namespace podium::api
