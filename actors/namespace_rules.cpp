#include "actors/namespace_rules.hpp"

#include "actors/document_access.hpp"

namespace podium::namespace_rules {
namespace {

namespace json = boost::json;
using registry_rules::find;
using registry_rules::text_at;

struct condition {
  std::string_view type, reason;
  std::string message;
  bool holds = false;
};

/// "a in 2 resource instances, b in 1 …", in order.
std::string listed(const std::map<std::string, size_t>& counts, std::string_view verb) {
  std::string out;
  for (auto& [name, count] : counts)
    out +=
        (out.empty() ? "" : ", ") + name + std::string{verb} + std::to_string(count) + " resource instances";
  return out;
}

/// Kubernetes names a resource with its group behind a dot, also where there is none.
std::map<std::string, size_t> with_groups(const std::map<std::string, size_t>& resources) {
  std::map<std::string, size_t> out;
  for (auto& [name, count] : resources)
    out[name.find('.') == std::string::npos ? name + "." : name] = count;
  return out;
}

std::vector<condition> conditions_of(const remains& left) {
  std::vector<condition> out{
      {"NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"},
      {"NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions",
       "All legacy kube types successfully parsed"},
      {"NamespaceDeletionContentFailure", "ContentDeleted",
       "All content successfully deleted, may be waiting on finalization"},
      {"NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"},
      {"NamespaceFinalizersRemaining", "ContentHasNoFinalizers",
       "All content-preserving finalizers finished"}};
  if (!left.resources.empty())
    out[3] = {"NamespaceContentRemaining", "SomeResourcesRemain",
              "Some resources are remaining: " + listed(with_groups(left.resources), " has "), true};
  if (!left.finalizers.empty())
    out[4] = {"NamespaceFinalizersRemaining", "SomeFinalizersRemain",
              "Some content in the namespace has finalizers remaining: " + listed(left.finalizers, " in "),
              true};
  return out;
}

json::object* known(json::array& list, std::string_view type) {
  for (auto& entry : list)
    if (text_at(entry, {"type"}) == type) return entry.if_object();
  return nullptr;
}

} // namespace

void remains::add(const object_ref& ref) {
  ++resources[ref->key().resource];
  for (auto& name : ref->meta().finalizers)
    ++finalizers[name];
}

std::optional<json::object> next_status(const object& ns, const remains& left, wall_time now) {
  auto document = ns.document();
  auto* stored = find(document, {"status"});
  auto status = stored && stored->is_object() ? stored->get_object() : json::object{};
  auto before = status;
  auto& list = status["conditions"];
  if (!list.is_array()) list = json::array{};
  for (auto& c : conditions_of(left)) {
    std::string_view holds = c.holds ? "True" : "False";
    auto* entry = known(list.get_array(), c.type);
    if (!entry) entry = &list.get_array().emplace_back(json::object{{"type", c.type}}).get_object();
    auto* was = entry->if_contains("status");
    if (!was || *was != json::value(holds)) (*entry)["lastTransitionTime"] = to_rfc3339(now);
    (*entry)["status"] = holds;
    (*entry)["reason"] = c.reason;
    (*entry)["message"] = c.message;
  }
  if (status == before) return std::nullopt;
  return status;
}

} // namespace podium::namespace_rules
