// delete and deletecollection.
#include "api/body.hpp"
#include "api/list_options.hpp"
#include "api/selection.hpp"
#include "config/json_access.hpp"

#include <charconv>

namespace podium::api {
namespace {

namespace json = boost::json;

struct delete_options {
  int64_t grace_seconds = -1;
  std::string uid, propagation;
  uint64_t version = 0;
  bool dry_run = false;
};

/// The options of the query, then those of the body, which win.
outcome<delete_options> read_options(call& c) {
  delete_options out;
  auto& query = c.query();
  auto dry_run = is_dry_run(query);
  if (auto* f = std::get_if<failure>(&dry_run)) return std::move(*f);
  out.dry_run = std::get<bool>(dry_run);
  auto grace = parse_number(query, "gracePeriodSeconds");
  if (!grace) return bad_request(message_of(grace.error()));
  // A negative grace period is one second, as Kubernetes reads it.
  if (*grace) out.grace_seconds = **grace < 0 ? 1 : **grace;
  out.propagation = query.get("propagationPolicy").value_or("");
  if (query.has("orphanDependents") && out.propagation.empty())
    out.propagation = query.flag("orphanDependents") ? "Orphan" : "Background";
  if (!c.request().body.empty()) {
    auto body = read_object(c, {"", "v1", "DeleteOptions"});
    if (auto* f = std::get_if<failure>(&body)) return std::move(*f);
    auto& o = std::get<json::object>(body);
    if (config::has(o, "gracePeriodSeconds")) {
      auto seconds = config::int_at(o, "gracePeriodSeconds");
      out.grace_seconds = seconds < 0 ? 1 : seconds;
    }
    if (auto policy = config::text_at(o, "propagationPolicy"); !policy.empty()) out.propagation = policy;
    if (auto* pre = config::object_at(o, "preconditions")) {
      out.uid = config::text_at(*pre, "uid");
      auto version = config::text_at(*pre, "resourceVersion");
      std::from_chars(version.data(), version.data() + version.size(), out.version);
    }
    for (auto& item : config::list_at(o, "dryRun"))
      out.dry_run = out.dry_run || item == json::value("All");
  }
  constexpr std::string_view policies[] = {"", "Background", "Foreground", "Orphan"};
  if (std::find(std::begin(policies), std::end(policies), out.propagation) == std::end(policies))
    return bad_request("DeleteOptions is invalid: propagationPolicy: Unsupported value: \"" + out.propagation
                       + "\"");
  return out;
}

delete_object make_request(const delete_options& o, object_key key) {
  return {std::move(key), o.grace_seconds, o.uid, o.version, o.propagation, o.dry_run};
}

/// Deletes one after the other; an object that is gone meanwhile is no failure.
struct collection {
  call_ptr c;
  delete_options options;
  std::vector<object_ref> items;
  size_t next = 0;
  uint64_t version = 0;

  static void step(const std::shared_ptr<collection>& self) {
    if (self->next == self->items.size()) {
      auto& c = *self->c;
      return c.answer(200, render_list(c.res(), self->items, {self->version, {}, 0}, c.form, c.state->now()));
    }
    auto request = make_request(self->options, self->items[self->next]->key());
    self->c->state->to_registry.call(std::move(request), [self](caf::expected<delete_result> result) {
      if (!result && code_of(result.error()) != errc::not_found) return self->c->fail(result.error());
      ++self->next;
      step(self);
    });
  }
};

} // namespace

void serve_delete(const call_ptr& c) {
  auto options = read_options(*c);
  if (auto* f = std::get_if<failure>(&options)) return c->fail(*f);
  auto request = make_request(std::get<delete_options>(options), c->key());
  c->state->to_registry.call(std::move(request), [c](caf::expected<delete_result> result) {
    if (!result) return c->fail(result.error());
    auto& object = *result->object;
    bool shows_object = !result->removed || c->res().stored_as == "pods";
    if (shows_object) return c->answer_object(200, result->object);
    c->answer(200, success_status(c->res(), object.key().name, object.uid()));
  });
}

void serve_delete_collection(const call_ptr& c) {
  if (c->res().namespaced && c->to.ns.empty()) return c->fail(method_not_allowed());
  auto options = read_options(*c);
  if (auto* f = std::get_if<failure>(&options)) return c->fail(*f);
  auto select = parse_selection(c->res(), c->query());
  if (!select) return c->fail(select.error());
  auto snapshot = c->snapshot();
  auto work = std::make_shared<collection>();
  work->c = c;
  work->options = std::get<delete_options>(options);
  work->version = snapshot->resource_version();
  snapshot->each(c->to.ns, "", "", [&](const object_ref& ref) {
    if (select->matches(*ref)) work->items.push_back(ref);
    return true;
  });
  collection::step(work);
}

} // namespace podium::api
