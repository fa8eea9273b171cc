// delete and deletecollection.
#include "api/delete_options.hpp"
#include "api/selection.hpp"

namespace podium::api {
namespace {

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
    auto& item = *self->items[self->next];
    if (auto f = unmet_precondition(self->c->res(), self->options, item)) return self->c->fail(*f);
    auto request = delete_request(self->options, item.key());
    ask_registry(self->c, std::move(request), [self](caf::expected<delete_result> result) {
      if (!result && code_of(result.error()) != errc::not_found) return self->c->fail(result.error());
      ++self->next;
      step(self);
    });
  }
};

/// Source: the admission plugin NamespaceLifecycle.
bool is_immortal(std::string_view ns) {
  return ns == "default" || ns == "kube-system" || ns == "kube-public";
}

} // namespace

void serve_delete(const call_ptr& c) {
  if (c->res().stored_as == "namespaces" && is_immortal(c->to.name))
    return c->fail(forbidden(c->res(), c->to.name, "this namespace may not be deleted"));
  auto options = read_delete_options(*c);
  if (auto* f = std::get_if<failure>(&options)) return c->fail(*f);
  auto& chosen = std::get<delete_options>(options);
  if (auto current = c->snapshot()->find(c->to.ns, c->to.name))
    if (auto f = unmet_precondition(c->res(), chosen, *current)) return c->fail(*f);
  auto request = delete_request(chosen, c->key());
  ask_registry(c, std::move(request),
               [c, waited_for = chosen.orphans_refused](caf::expected<delete_result> result) {
                 if (!result) return c->fail(result.error());
                 auto& object = *result->object;
                 bool shows_object = !result->removed || c->res().stored_as == "pods";
                 // Who asked in the old way that dependents go, too, hears that it has only begun.
                 if (shows_object)
                   return c->answer_object(waited_for && !result->removed ? 202 : 200, result->object);
                 c->answer(200, success_status(c->res(), object.key().name, object.uid()));
               });
}

void serve_delete_collection(const call_ptr& c) {
  if (c->res().namespaced && c->to.ns.empty()) return c->fail(method_not_allowed());
  auto options = read_delete_options(*c);
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
