// pods/eviction: a deletion that leaves word of itself in the pod's conditions, as `kubectl drain` asks for.
#include "api/delete_options.hpp"
#include "config/json_access.hpp"
#include "messages/disruption.hpp"
#include "messages/pod.hpp"

namespace podium::api {
namespace {

namespace json = boost::json;

constexpr int max_attempts = 5;

/// The body as an Eviction; policy/v1beta1 has the same fields and is taken as v1.
outcome<json::object> read_eviction(call& c) {
  auto document = read_document(c.request());
  if (auto* f = std::get_if<failure>(&document)) return std::move(*f);
  auto& root = std::get<config::document>(document).root;
  if (auto* o = root.if_object(); o && config::text_at(*o, "apiVersion") == "policy/v1beta1")
    (*o)["apiVersion"] = "policy/v1";
  auto mode = validation_of(c.query(), config::field_validation::warn);
  if (auto* f = std::get_if<failure>(&mode)) return std::move(*f);
  auto decoded = config::decode(std::get<config::document>(document), {"policy", "v1", "Eviction"},
                                std::get<config::field_validation>(mode));
  if (!decoded.ok()) return bad_request(config::api_message(decoded));
  for (auto& w : decoded.warnings)
    c.warnings.push_back(w.text);
  if (!decoded.object.is_object()) return bad_request("the body must be an object");
  return std::move(decoded.object.get_object());
}

/// One eviction on its way.
struct eviction {
  call_ptr c;
  delete_options options;
  int left = max_attempts;

  object_key key() const { return {"pods", c->to.ns, c->to.name}; }
};

void remove(const std::shared_ptr<eviction>& e) {
  auto request = delete_request(e->options, e->key());
  ask_registry(e->c, std::move(request), [e](caf::expected<delete_result> result) {
    if (!result) return e->c->fail(result.error());
    e->c->answer(201, R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201})"
                      "\n");
  });
}

/// Pods that run nothing, or are going already, are not disrupted by going.
bool is_disrupted(const object& of) {
  auto& phase = of.as_pod().status.phase;
  return phase != "Succeeded" && phase != "Failed" && phase != "Pending" && !of.meta().deletion_timestamp;
}

/// The pod with condition DisruptionTarget. Source: addConditionAndDeletePod.
json::value marked(const object& of, wall_time now) {
  auto out = of.document();
  mark_disrupted(out.as_object(), "EvictionByEvictionAPI", "Eviction API: evicting", now);
  return out;
}

void evict(const std::shared_ptr<eviction>& e) {
  auto& c = *e->c;
  auto current = c.snapshot()->find(c.to.ns, c.to.name);
  if (!current) return c.fail(not_found(c.res(), c.to.name));
  // The mark changes the version: preconditions are judged on what was there before it.
  if (auto f = unmet_precondition(c.res(), e->options, *current)) return c.fail(*f);
  if (!is_disrupted(*current) || e->options.dry_run) return remove(e);
  update_object mark{e->key(),
                     make_document(marked(*current, c.state->now())),
                     update_part::status,
                     current->uid(),
                     current->resource_version(),
                     false};
  ask_registry(e->c, std::move(mark), [e](caf::expected<delete_result> result) {
    if (!result && code_of(result.error()) == errc::conflict && --e->left > 0) return evict(e);
    if (!result) return e->c->fail(result.error());
    if (e->options.version) e->options.version = std::to_string(result->object->resource_version());
    remove(e);
  });
}

} // namespace

void serve_eviction(const call_ptr& c) {
  auto dry_run = is_dry_run(c->query());
  if (auto* f = std::get_if<failure>(&dry_run)) return c->fail(*f);
  auto body = read_eviction(*c);
  if (auto* f = std::get_if<failure>(&body)) return c->fail(*f);
  auto& object = std::get<json::object>(body);
  if (metadata_text(object, "name") != c->to.name)
    return c->fail(bad_request("name in URL does not match name in Eviction object"));
  if (auto ns = metadata_text(object, "namespace"); !ns.empty() && ns != c->to.ns)
    return c->fail(
        bad_request("the namespace of the provided object does not match the namespace sent on the request"));
  auto e = std::make_shared<eviction>();
  e->c = c;
  if (auto* options = config::object_at(object, "deleteOptions"))
    if (auto f = take_delete_options(*options, e->options)) return c->fail(*f);
  e->options.dry_run = e->options.dry_run || std::get<bool>(dry_run);
  evict(e);
}

} // namespace podium::api
