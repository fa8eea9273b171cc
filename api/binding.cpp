// pods/binding: how a scheduler outside this process binds a pod.
#include "api/body.hpp"
#include "config/json_access.hpp"

namespace podium::api {

void serve_binding(const call_ptr& c) {
  auto dry_run = is_dry_run(c->query());
  if (auto* f = std::get_if<failure>(&dry_run)) return c->fail(*f);
  auto body = read_object(*c, {"", "v1", "Binding"});
  if (auto* f = std::get_if<failure>(&body)) return c->fail(*f);
  auto binding = std::move(std::get<boost::json::object>(body));
  if (auto f = adopt_identity(*c, binding, true)) return c->fail(*f);
  auto* target = config::object_at(binding, "target");
  auto kind = target ? config::text_at(*target, "kind") : "";
  auto node = target ? std::string{config::text_at(*target, "name")} : std::string{};
  config::field_causes causes;
  if (!kind.empty() && kind != "Node") causes.not_supported("target.kind", kind, {"Node"});
  if (node.empty()) causes.required("target.name");
  if (!causes.empty()) return c->fail(invalid(c->res(), c->to.name, causes));
  auto success = [c] {
    c->answer(201, R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201})"
                   "\n");
  };
  if (std::get<bool>(dry_run)) {
    if (!c->snapshot()->find(c->to.ns, c->to.name)) return c->fail(not_found(c->res(), c->to.name));
    return success();
  }
  bind_pod request{c->to.ns, c->to.name, metadata_text(binding, "uid"), node};
  ask_registry(c, std::move(request), [c, success](caf::expected<delete_result> result) {
    if (!result) return c->fail(result.error());
    success();
  });
}

} // namespace podium::api
