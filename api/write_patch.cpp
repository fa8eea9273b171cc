// patch: the stored version, changed by one of three kinds of patch, on the same way as an update. The fourth
// kind is write_apply.cpp's.
#include "api/patch.hpp"
#include "api/write.hpp"
#include "config/json.hpp"

#include <map>

namespace podium::api {
namespace {

namespace json = boost::json;

enum class patch_kind : uint8_t { merge, strategic, json_patch };

constexpr std::string_view patch_types =
    "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
    "application/apply-patch+yaml";

std::optional<patch_kind> kind_of(const http_request& request) {
  auto type = content_type_of(request);
  if (type == "application/merge-patch+json") return patch_kind::merge;
  if (type == "application/strategic-merge-patch+json") return patch_kind::strategic;
  if (type == "application/json-patch+json") return patch_kind::json_patch;
  return {};
}

caf::expected<json::value> apply(patch_kind kind, json::value before, const json::value& patch,
                                 const resource& r) {
  switch (kind) {
  case patch_kind::merge:
    return merge_patch(std::move(before), patch);
  case patch_kind::strategic:
    return strategic_merge_patch(std::move(before), patch, config::type_of(r.gvk()));
  default:
    return json_patch(std::move(before), patch);
  }
}

struct patch_request {
  patch_kind kind;
  json::value patch;
  std::vector<std::string> duplicates; ///< paths of keys that the patch has more than once
  config::field_validation mode;
  field_write by;
};

/// A value as Go prints maps and slices.
std::string go_text(const json::value& value) {
  std::string out;
  if (const auto* object = value.if_object()) {
    std::map<std::string, std::string> members;
    for (const auto& [key, inner] : *object)
      members.emplace(key, go_text(inner));
    for (const auto& [key, inner] : members)
      out += (out.empty() ? "" : " ") + key + ":" + inner;
    return "map[" + out + "]";
  }
  if (const auto* list = value.if_array()) {
    for (const auto& item : *list)
      out += (out.empty() ? "" : " ") + go_text(item);
    return "[" + out + "]";
  }
  if (value.is_string()) return std::string{value.get_string()};
  return value.is_null() ? "<nil>" : json::serialize(value);
}

/// ` "" is invalid: patch: Invalid value: …`, without a kind and a name, as Kubernetes has it: with the patch
/// itself if it is a strategic one, else with what it made of the object.
failure invalid_patch(const patch_request& p, const json::value& made, const std::string& text) {
  config::field_causes causes;
  auto shown = p.kind == patch_kind::strategic ? go_text(p.patch) : json::serialize(made);
  causes.invalid("patch", json::value(shown), text);
  return failure{config::make_invalid_status({}, causes)};
}

/// Decodes the patched document again: a patch may have brought anything.
outcome<json::value> decode_patched(const call& c, const patch_request& p, json::value patched,
                                    std::vector<std::string>& warnings) {
  config::document document;
  document.root = std::move(patched);
  document.places = std::make_shared<config::place_table>();
  auto decoded = config::decode(document, c.res().gvk(), p.mode);
  if (!decoded.errors.empty()) return invalid_patch(p, document.root, decoded.errors.front().text);
  std::vector<std::string> notes;
  for (const auto& path : p.duplicates)
    notes.push_back("duplicate field \"" + path + "\"");
  for (const auto* list : {&decoded.strict_errors, &decoded.warnings})
    for (const auto& problem : *list)
      notes.push_back(problem.text);
  if (p.mode == config::field_validation::strict && !notes.empty()) {
    std::string text;
    for (const auto& note : notes)
      text += (text.empty() ? "strict decoding error: " : ", ") + note;
    return invalid_patch(p, document.root, text);
  }
  if (p.mode == config::field_validation::warn) warnings.insert(warnings.end(), notes.begin(), notes.end());
  return std::move(decoded.object);
}

outcome<next_version> patched(call& c, const patch_request& p, const object& current) {
  auto before = shown_form(c.res(), current);
  auto after = apply(p.kind, before, p.patch, c.res());
  if (!after)
    // Without a kind and a name, as Kubernetes has it: kubectl prints the message only then.
    return code_of(after.error()) == errc::invalid ? failure{config::make_status(
               422, "Invalid",
               "the server rejected our request due to an error in our request: "
                   + message_of(after.error()))}
                                                   : failure{config::make_status(after.error())};
  if (!after->is_object()) return bad_request("the patch makes the object something else");
  c.warnings.clear();
  auto decoded = decode_patched(c, p, std::move(*after), c.warnings);
  if (auto* f = std::get_if<failure>(&decoded)) return std::move(*f);
  auto& object = std::get<json::value>(decoded).as_object();
  object["kind"] = c.res().kind;
  object["apiVersion"] = c.res().group_version();
  if (auto f = adopt_identity(c, object, true)) return std::move(*f);
  auto version = metadata_text(object, "resourceVersion");
  if (!version.empty() && version != std::to_string(current.resource_version()))
    return conflict(c.res(), c.to.name);
  auto uid = metadata_text(object, "uid");
  if (!uid.empty() && uid != current.uid())
    return conflict(c.res(), c.to.name,
                    "Precondition failed: UID in precondition: " + uid
                        + ", UID in object meta: " + current.uid());
  next_version out;
  out.uid = current.uid();
  auto* meta = p.patch.is_object() ? p.patch.get_object().if_contains("metadata") : nullptr;
  out.pinned = meta && meta->is_object() && meta->get_object().contains("resourceVersion");
  out.document = std::move(std::get<json::value>(decoded));
  if (auto f = check_update(c, part_of(c), before, out.document)) return std::move(*f);
  track_update(before, out.document, p.by, false);
  keep_times(before, out.document);
  return out;
}

} // namespace

void serve_patch(const call_ptr& c) {
  if (content_type_of(c->request()) == "application/apply-patch+yaml") return serve_apply(c);
  auto kind = kind_of(c->request());
  if (!kind) return c->fail(unsupported_media_type(patch_types));
  auto options = read_write_options(*c, options_kind::patch);
  if (auto* f = std::get_if<failure>(&options)) return c->fail(*f);
  auto& chosen = std::get<write_options>(options);
  auto body = config::parse_json(c->request().body);
  if (!body) return c->fail(bad_request(message_of(body.error())));
  patch_request p{*kind, std::move(body->root), std::move(body->duplicates), chosen.validation,
                  writer_of(*c, chosen)};
  store_update(c, part_of(*c), chosen.dry_run, [raw = c.get(), p = std::move(p)](const object& current) {
    return patched(*raw, p, current);
  });
}

} // namespace podium::api
