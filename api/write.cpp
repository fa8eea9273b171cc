// create and update: body → decoded, defaulted, validated object → registry → answer.
#include "api/write.hpp"

#include "api/service_accounts.hpp"
#include "config/default_kinds.hpp"
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
                     "deletionGracePeriodSeconds", "selfLink", "generation"})
    meta.erase(field);
  return {};
}

/// One update on its way.
struct update_work {
  call_ptr c;
  update_part part;
  bool dry_run;
  make_next next;
  write_turns::turn turn;

  static void attempt(const std::shared_ptr<update_work>& self, int left);
};

void update_work::attempt(const std::shared_ptr<update_work>& self, int left) {
  auto& c = self->c;
  auto current = c->snapshot()->find(c->to.ns, c->to.name);
  if (!current) return c->fail(not_found(c->res(), c->to.name));
  auto made = self->next(*current);
  if (auto* f = std::get_if<failure>(&made)) return c->fail(*f);
  auto& v = std::get<next_version>(made);
  update_object request{c->key(),
                        make_document(stored_form(c->res(), std::move(v.document))),
                        self->part,
                        v.uid,
                        current->resource_version(),
                        self->dry_run};
  ask_registry(c, std::move(request), [self, pinned = v.pinned, left](caf::expected<delete_result> result) {
    if (result) return self->c->answer_object(200, result->object);
    if (code_of(result.error()) == errc::conflict && !pinned && left > 1)
      return next_step(self->c, [&] { attempt(self, left - 1); });
    self->c->fail(result.error());
  });
}

/// What a PUT makes of the current version.
outcome<next_version> replaced(const call& c, const field_write& by, json::object document,
                               const object& current) {
  auto part = part_of(c);
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
  auto before = shown_form(c.res(), current);
  if (auto f = check_update(c, part, before, out.document)) return std::move(*f);
  track_update(before, out.document, by, false);
  keep_times(before, out.document);
  return out;
}

/// What Kubernetes' admission fills in after it has noted who set what: nobody's, unless the client named it.
config::field_set filled_by_admission(const config::group_version_kind& gvk, const json::object& given) {
  config::field_set out;
  if (!gvk.group.empty()) return out;
  auto* spec = config::object_at(given, "spec");
  auto named = [&](std::string_view field) { return spec && spec->contains(field); };
  auto add = [&](std::string_view field) {
    if (!named(field)) out.insert({config::field_element("spec"), config::field_element(field)});
  };
  if (gvk.kind == "Namespace") add("finalizers");
  if (gvk.kind == "PersistentVolumeClaim") add("storageClassName");
  if (gvk.kind != "Pod") return out;
  for (auto field : {"tolerations", "priority", "preemptionPolicy"})
    add(field);
  if (named("serviceAccount") || named("serviceAccountName")) return out;
  add("serviceAccount");
  add("serviceAccountName");
  return out;
}

/// Takes managedFields out that are no list of entries: they are no mistake of the object ([{}] ends the
/// book-keeping), and what they mean is track_update()'s to say.
json::value take_unreadable_managers(json::object& object, const json::value& before) {
  auto* meta = config::object_at(object, "metadata");
  auto* entries = meta ? meta->if_contains("managedFields") : nullptr;
  if (!entries) return nullptr;
  // Most writes leave them as they are, which are readable.
  auto* old_meta = config::object_at(before, "metadata");
  auto* old_entries = old_meta ? old_meta->if_contains("managedFields") : nullptr;
  if ((old_entries && *old_entries == *entries) || read_managers(object)) return nullptr;
  auto out = std::move(metadata_of(object)["managedFields"]);
  metadata_of(object).erase("managedFields");
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

std::string runtime_class_of(const json::value& pod) {
  auto* spec = pod.is_object() ? config::object_at(pod.get_object(), "spec") : nullptr;
  return spec ? std::string{config::text_at(*spec, "runtimeClassName")} : std::string{};
}

/// Source: the RuntimeClass admission plugin: an overhead is a RuntimeClass's, and here are none.
bool has_overhead(const json::value& pod) {
  auto* spec = pod.is_object() ? config::object_at(pod.get_object(), "spec") : nullptr;
  auto* overhead = spec ? config::object_at(*spec, "overhead") : nullptr;
  return overhead && !overhead->empty();
}

/// Status and metadata count, as in Kubernetes' status strategies: of a pod not who owns it. Who manages
/// which field is told by the stored version.
json::value status_version(const config::group_version_kind& gvk, const json::value& before,
                           json::object& given) {
  auto next = before.as_object();
  if (auto* status = given.if_contains("status"))
    next["status"] = *status;
  else
    next.erase("status");
  auto meta = metadata_of(given);
  auto& old = metadata_of(next);
  auto keep = [&](std::string_view field) {
    if (auto* value = old.if_contains(field))
      meta[field] = *value;
    else
      meta.erase(field);
  };
  keep("managedFields");
  if (gvk.kind == "Pod") keep("ownerReferences");
  next["metadata"] = std::move(meta);
  return next;
}

/// Only the ephemeral containers count; the rest is the stored one. Source: podEphemeralContainersStrategy.
std::optional<failure> check_debuggers(const call& c, const json::value& before, json::value& after) {
  auto next = before.as_object();
  auto* given = config::object_at(after, "spec");
  auto* list = given ? given->if_contains("ephemeralContainers") : nullptr;
  auto& spec = next["spec"].as_object();
  if (list)
    spec["ephemeralContainers"] = *list;
  else
    spec.erase("ephemeralContainers");
  if (auto* managers = metadata_of(after.as_object()).if_contains("managedFields"))
    metadata_of(next)["managedFields"] = *managers;
  after = std::move(next);
  config::apply_defaults(c.res().gvk(), after);
  auto causes = config::validate_ephemeral_update(before, after);
  if (causes.empty()) return {};
  return invalid(c.res(), metadata_text(after.as_object(), "name"), causes);
}

} // namespace

json::value shown_form(const resource& r, const object& stored) {
  auto out = stored.document();
  if (r.convert) r.convert(out.as_object());
  return out;
}

json::value stored_form(const resource& r, json::value document) {
  if (r.revert) r.revert(document.as_object());
  return document;
}

update_part part_of(const call& c) {
  return c.to.sub && c.to.sub->kind == subresource_kind::status ? update_part::status : update_part::main;
}

std::optional<failure> check_update(const call& c, update_part part, const json::value& before,
                                    json::value& after) {
  auto& r = c.res();
  auto gvk = r.gvk();
  carry_identity(before.as_object(), after.as_object());
  auto& object = after.as_object();
  if (c.to.sub && c.to.sub->kind == subresource_kind::ephemeralcontainers)
    return check_debuggers(c, before, after);
  if (part == update_part::status) {
    after = status_version(gvk, before, object);
    auto causes = config::validate_status_update(gvk, before, after);
    if (causes.empty()) return {};
    return invalid(r, metadata_text(after.as_object(), "name"), causes);
  }
  if (auto* status = before.as_object().if_contains("status"))
    object["status"] = *status;
  else
    object.erase("status");
  // An empty list of finalizers is what the finalize subresource is for.
  if (!c.to.sub || c.to.sub->kind != subresource_kind::finalize) config::apply_defaults(gvk, after);
  // What holds a namespace is taken away by that subresource alone, and comes back by no default.
  if (gvk.kind == "Namespace" && !c.to.sub) {
    if (auto* spec = before.as_object().if_contains("spec"))
      object["spec"] = *spec;
    else
      object.erase("spec");
  }
  auto odd = take_unreadable_managers(object, before);
  auto causes = config::validate_update(gvk, before, after);
  if (!odd.is_null()) metadata_of(object)["managedFields"] = std::move(odd);
  if (causes.empty()) return check_claim_growth(c, before, after);
  return invalid(r, metadata_text(after.as_object(), "name"), causes);
}

void store_update(const call_ptr& c, update_part part, bool dry_run, const make_next& next) {
  auto work = std::make_shared<update_work>(update_work{c, part, dry_run, next, nullptr});
  in_turn(c, [work](write_turns::turn turn) {
    work->turn = std::move(turn);
    update_work::attempt(work, max_attempts);
  });
}

void in_turn(const call_ptr& c, std::function<void(write_turns::turn)> f) {
  c->state->turns->wait(c->key(), [c, f = std::move(f)](write_turns::turn turn) {
    next_step(c, [&] {
      if (!turn) return c->fail(make_error(errc::timeout, "the writes before this one took too long"));
      f(std::move(turn));
    });
  });
}

void next_step(const call_ptr& c, const std::function<void()>& f) {
  if (!c->exchange->is_open()) return; // who has waited has gone
  guarded(c, f);
}

std::optional<failure> check_create(const call& c, json::value& document) {
  auto gvk = c.res().gvk();
  if (gvk.kind == "Pod")
    if (auto why = config::refused_priority(document); !why.empty())
      return forbidden(c.res(), metadata_text(document.as_object(), "name"), why);
  // There are no RuntimeClasses here: whoever wants one must not get another runtime.
  if (auto name = gvk.kind == "Pod" ? runtime_class_of(document) : std::string{}; !name.empty())
    return forbidden(c.res(), metadata_text(document.as_object(), "name"),
                     "pod rejected: RuntimeClass \"" + name + "\" not found");
  config::apply_defaults(gvk, document);
  if (gvk.kind == "Pod") config::init_pod_status(document);
  config::init_storage_status(gvk, document);
  default_storage_class(c, document);
  auto odd = take_unreadable_managers(document.as_object(), nullptr);
  auto causes = config::validate(gvk, document);
  if (!odd.is_null()) metadata_of(document.as_object())["managedFields"] = std::move(odd);
  auto name = metadata_text(document.as_object(), "name");
  if (causes.empty() && gvk.kind == "Pod" && has_overhead(document))
    return forbidden(c.res(), name,
                     "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
  if (causes.empty()) return {};
  return invalid(c.res(), name.empty() ? metadata_text(document.as_object(), "generateName") : name, causes);
}

static void store_new(const call_ptr& c, json::value document, bool dry_run) {
  auto name = metadata_text(document.as_object(), "name");
  create_object request{{std::string{c->res().stored_as}, c->to.ns, name},
                        make_document(stored_form(c->res(), std::move(document))),
                        dry_run};
  ask_registry(c, std::move(request), [c, name](caf::expected<delete_result> result) {
    if (result) return c->answer_object(201, result->object);
    c->fail(result.error(), name);
  });
}

void serve_create(const call_ptr& c) {
  auto options = read_write_options(*c, options_kind::create);
  if (auto* f = std::get_if<failure>(&options)) return c->fail(*f);
  auto gvk = c->res().gvk();
  auto body = read_object(*c, gvk);
  if (auto* f = std::get_if<failure>(&body)) return c->fail(*f);
  auto object = std::move(std::get<json::object>(body));
  if (c->res().namespaced && c->to.ns.empty()) return c->fail(method_not_allowed());
  if (auto f = adopt_identity(*c, object, false)) return c->fail(*f);
  if (auto f = check_new(object)) return c->fail(*f);
  auto& chosen = std::get<write_options>(options);
  auto by = writer_of(*c, chosen);
  config::unite(by.ignored, filled_by_admission(gvk, object));
  json::value document = std::move(object);
  if (auto f = check_create(*c, document)) return c->fail(*f);
  for (auto& text : config::warnings_of(gvk, document))
    c->warnings.push_back(std::move(text));
  track_update(empty_document(*by.type, gvk), document, by, true);
  auto made = std::make_shared<json::value>(std::move(document));
  with_service_account(c, *made, [c, made, dry_run = chosen.dry_run](const object_ref& account) {
    finish_new(*c, *made, account);
    store_new(c, std::move(*made), dry_run);
  });
}

void serve_update(const call_ptr& c) {
  auto options = read_write_options(*c, options_kind::update);
  if (auto* f = std::get_if<failure>(&options)) return c->fail(*f);
  auto body = read_object(*c, c->res().gvk());
  if (auto* f = std::get_if<failure>(&body)) return c->fail(*f);
  auto object = std::move(std::get<json::object>(body));
  if (auto f = adopt_identity(*c, object, true)) return c->fail(*f);
  auto& chosen = std::get<write_options>(options);
  store_update(c, part_of(*c), chosen.dry_run,
               [raw = c.get(), by = writer_of(*c, chosen), object](const podium::object& current) {
                 return replaced(*raw, by, object, current);
               });
}

} // namespace podium::api
