#include "api/body.hpp"

#include "api/protobuf.hpp"
#include "config/json.hpp"
#include "config/json_access.hpp"
#include "config/yaml.hpp"

#include <algorithm>
#include <cctype>

namespace podium::api {
namespace {

namespace json = boost::json;

constexpr std::string_view object_types =
    "application/json, application/yaml, application/vnd.kubernetes.protobuf";

failure as_failure(const caf::error& err) {
  if (code_of(err) == errc::too_large) return too_large(message_of(err));
  if (code_of(err) == errc::unsupported_media_type) {
    auto f = unsupported_media_type("application/json, application/yaml");
    auto& message = f.status.body.as_object()["message"];
    message = std::string(message.get_string()) + "; " + message_of(err);
    return f;
  }
  return bad_request(message_of(err));
}

/// What a body begins with, as Kubernetes tells it: as text if it looks like JSON, else in hexadecimal.
std::string beginning_of(std::string_view body) {
  constexpr size_t most = 30;
  constexpr auto digits = "0123456789abcdef";
  if (body.empty()) return "<empty>";
  auto part = body.substr(0, most);
  size_t broken = 0;
  std::string out;
  if (body.front() == '{' && config::is_clean_utf8(part, broken))
    out = part;
  else
    for (unsigned char c : part)
      (out += digits[c >> 4]) += digits[c & 15];
  return body.size() > most ? out + " ..." : out;
}

/// A body that is no JSON, told to who wanted to give an object of a kind.
failure unrecognized(const failure& why, std::string_view body, const std::string& kind) {
  auto text = config::text_at(why.status.body, "message");
  return bad_request("the object provided is unrecognized (must be of type " + kind
                     + "): couldn't get version/kind; json parse error: " + std::string{text} + " ("
                     + beginning_of(body) + ")");
}

config::document wrap(json::value root) {
  config::document out;
  out.root = std::move(root);
  out.places = std::make_shared<config::place_table>(); // nothing to be located in
  return out;
}

} // namespace

std::string content_type_of(const http_request& request) {
  std::string out{request.headers.get("Content-Type")};
  out.resize(std::min(out.size(), out.find(';')));
  while (!out.empty() && out.back() == ' ')
    out.pop_back();
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

outcome<config::document> read_document(const http_request& request) {
  auto type = content_type_of(request);
  if (type.empty() || type == "application/json") {
    auto parsed = config::parse_json(request.body);
    if (!parsed) return as_failure(parsed.error());
    return std::move(*parsed);
  }
  if (type == "application/yaml" || type == "application/x-yaml" || type == "text/yaml") {
    auto parsed = config::parse_yaml(request.body, {}, yaml_limits);
    if (!parsed) return as_failure(parsed.error());
    if (parsed->size() != 1) return bad_request("the body must hold one YAML document");
    return std::move(parsed->front());
  }
  if (type == "application/vnd.kubernetes.protobuf") {
    auto parsed = read_protobuf(request.body);
    if (!parsed) return as_failure(parsed.error());
    return wrap(std::move(parsed->object));
  }
  return unsupported_media_type(object_types);
}

outcome<config::field_validation> validation_of(const http_query& query, config::field_validation absent) {
  auto text = query.get("fieldValidation").value_or("");
  if (text.empty()) return absent;
  auto mode = config::parse_field_validation(text);
  if (!mode) return bad_request(message_of(mode.error()));
  return *mode;
}

outcome<json::object> read_object(call& c, const config::group_version_kind& gvk) {
  auto document = read_document(c.request());
  if (auto* f = std::get_if<failure>(&document)) {
    auto type = content_type_of(c.request());
    bool is_json = type.empty() || type == "application/json";
    return is_json && f->status.code == 400 ? unrecognized(*f, c.request().body, gvk.kind) : std::move(*f);
  }
  auto mode = validation_of(c.query(), config::field_validation::warn);
  if (auto* f = std::get_if<failure>(&mode)) return std::move(*f);
  auto decoded =
      config::decode(std::get<config::document>(document), gvk, std::get<config::field_validation>(mode));
  if (!decoded.ok()) return bad_request(config::api_message(decoded));
  for (auto& w : decoded.warnings)
    c.warnings.push_back(w.text);
  if (!decoded.object.is_object()) return bad_request("the body must be an object");
  auto object = std::move(decoded.object.get_object());
  object["kind"] = gvk.kind;
  object["apiVersion"] = gvk.api_version();
  return object;
}

std::optional<failure> adopt_identity(const call& c, json::object& object, bool must_have_name) {
  auto& meta = metadata_of(object);
  auto ns = std::string{config::text_at(meta, "namespace")};
  if (!ns.empty() && ns != c.to.ns)
    return bad_request(
        "the namespace of the provided object does not match the namespace sent on the request");
  if (c.to.ns.empty())
    meta.erase("namespace");
  else
    meta["namespace"] = c.to.ns;
  if (!must_have_name) return {};
  auto name = std::string{config::text_at(meta, "name")};
  if (!name.empty() && name != c.to.name)
    return bad_request("the name of the object (" + name + ") does not match the name on the URL ("
                       + c.to.name + ")");
  meta["name"] = c.to.name;
  return {};
}

outcome<bool> is_dry_run(const http_query& query) {
  auto values = query.get_all("dryRun");
  for (auto& v : values)
    if (v != "All" && !v.empty())
      return bad_request("Invalid value: \"" + std::string{v} + "\": dryRun: supported values: \"All\"");
  return !values.empty() && !values.front().empty();
}

json::object& metadata_of(json::object& object) {
  return config::make_object(object, "metadata");
}

std::string metadata_text(const json::object& object, std::string_view field) {
  auto* meta = config::object_at(object, "metadata");
  return meta ? std::string{config::text_at(*meta, field)} : std::string{};
}

} // namespace podium::api
