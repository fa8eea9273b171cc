// create and update: body → decoded, defaulted, validated object → registry → answer.
#include "api/write.hpp"

#include "config/defaults.hpp"
#include "config/json_access.hpp"
#include "config/validate.hpp"

#include <charconv>

namespace podium::api {
namespace {

namespace json = boost::json;

constexpr int max_attempts = 5;

/// Fields that only the server writes.
std::optional<failure> check_new(json::object& object) {
  if (!metadata_text(object, "resourceVersion").empty() && metadata_text(object, "resourceVersion") != "0")
    return bad_request("resourceVersion should not be set on objects to be created");
  auto& meta = metadata_of(object);
  for (auto field : {"resourceVersion", "uid", "creationTimestamp", "deletionTimestamp",
                     "deletionGracePeriodSeconds", "selfLink", "generation", "managedFields"})
    meta.erase(field);
  return {};
}

void attempt(const call_ptr& c, update_part part, bool dry_run, const make_next& next, int left) {
  auto current = c->snapshot()->find(c->to.ns, c->to.name);
  if (!current) return c->fail(not_found(c->res(), c->to.name));
  auto made = next(*current);
  if (auto* f = std::get_if<failure>(&made)) return c->fail(*f);
  auto& v = std::get<next_version>(made);
  update_object request{c->key(), make_document(std::move(v.document)), part,
                        v.uid,    current->resource_version(),          dry_run};
  bool pinned = v.pinned;
  c->state->to_registry.call(std::move(request),
                             [c, part, dry_run, next, pinned, left](caf::expected<delete_result> result) {
                               if (result) return c->answer_object(200, result->object);
                               if (code_of(result.error()) == errc::conflict && !pinned && left > 1)
                                 return attempt(c, part, dry_run, next, left - 1);
                               c->fail(result.error());
                             });
}

/// What a PUT makes of the current version.
outcome<next_version> replaced(const call& c, update_part part, json::object document,
                               const object& current) {
  next_version out;
  auto version = metadata_text(document, "resourceVersion");
  out.pinned = !version.empty() && version != "0";
  if (out.pinned && version != std::to_string(current.resource_version()))
    return conflict(c.res(), c.to.name);
  auto uid = metadata_text(document, "uid");
  if (!uid.empty() && uid != current.uid())
    return conflict(c.res(), c.to.name,
                    "Precondition failed: UID in precondition: " + uid
                        + ", UID in object meta: " + current.uid());
  out.uid = uid;
  out.document = std::move(document);
  auto before = current.document();
  if (auto f = check_update(c, part, before, out.document)) return std::move(*f);
  return out;
}

/// Identity that a client may leave out of an update is that of the stored object.
void carry_identity(const json::object& before, json::object& after) {
  auto* old = config::object_at(before, "metadata");
  if (!old) return;
  auto& meta = metadata_of(after);
  for (auto field : {"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
                     "generation", "resourceVersion"}) {
    if (auto* value = old->if_contains(field))
      meta[field] = *value;
    else
      meta.erase(field);
  }
}

} // namespace

update_part part_of(const call& c) {
  return c.to.sub && c.to.sub->kind == subresource_kind::status ? update_part::status : update_part::main;
}

std::optional<failure> check_update(const call& c, update_part part, const json::value& before,
                                    json::value& after) {
  auto& r = c.res();
  auto gvk = r.gvk();
  carry_identity(before.as_object(), after.as_object());
  auto& object = after.as_object();
  if (part == update_part::status) {
    // Only the status counts; the rest is the stored one, so it needs no second look.
    auto next = before.as_object();
    if (auto* status = object.if_contains("status"))
      next["status"] = *status;
    else
      next.erase("status");
    after = std::move(next);
    return {};
  }
  if (auto* status = before.as_object().if_contains("status"))
    object["status"] = *status;
  else
    object.erase("status");
  // What holds a namespace is taken away by its finalize subresource alone.
  if (gvk.kind == "Namespace" && !c.to.sub)
    if (auto* spec = before.as_object().if_contains("spec")) object["spec"] = *spec;
  config::apply_defaults(gvk, after);
  auto causes = config::validate_update(gvk, before, after);
  if (causes.empty()) return {};
  return invalid(r, metadata_text(after.as_object(), "name"), causes);
}

void store_update(const call_ptr& c, update_part part, bool dry_run, const make_next& next) {
  attempt(c, part, dry_run, next, max_attempts);
}

void serve_create(const call_ptr& c) {
  auto dry_run = is_dry_run(c->query());
  if (auto* f = std::get_if<failure>(&dry_run)) return c->fail(*f);
  auto gvk = c->res().gvk();
  auto body = read_object(*c, gvk);
  if (auto* f = std::get_if<failure>(&body)) return c->fail(*f);
  auto object = std::move(std::get<json::object>(body));
  if (c->res().namespaced && c->to.ns.empty()) return c->fail(method_not_allowed());
  if (auto f = adopt_identity(*c, object, false)) return c->fail(*f);
  if (auto f = check_new(object)) return c->fail(*f);
  json::value document = std::move(object);
  config::apply_defaults(gvk, document);
  if (gvk.kind == "Pod") config::init_pod_status(document);
  auto name = metadata_text(document.as_object(), "name");
  if (auto causes = config::validate(gvk, document); !causes.empty())
    return c->fail(
        invalid(c->res(), name.empty() ? metadata_text(document.as_object(), "generateName") : name, causes));
  create_object request{{std::string{c->res().stored_as}, c->to.ns, name},
                        make_document(std::move(document)),
                        std::get<bool>(dry_run)};
  c->state->to_registry.call(std::move(request), [c, name](caf::expected<delete_result> result) {
    if (result) return c->answer_object(201, result->object);
    c->fail(result.error(), name);
  });
}

void serve_update(const call_ptr& c) {
  auto dry_run = is_dry_run(c->query());
  if (auto* f = std::get_if<failure>(&dry_run)) return c->fail(*f);
  auto body = read_object(*c, c->res().gvk());
  if (auto* f = std::get_if<failure>(&body)) return c->fail(*f);
  auto object = std::move(std::get<json::object>(body));
  if (auto f = adopt_identity(*c, object, true)) return c->fail(*f);
  auto part = part_of(*c);
  store_update(c, part, std::get<bool>(dry_run),
               [raw = c.get(), part, object](const podium::object& current) {
                 return replaced(*raw, part, object, current);
               });
}

} // namespace podium::api
