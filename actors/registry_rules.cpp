#include "actors/registry_rules.hpp"

#include "actors/document_access.hpp"
#include "messages/pod.hpp"

#include <algorithm>
#include <array>

namespace podium::registry_rules {
namespace {

namespace json = boost::json;

/// Fields of metadata that no request may set: they are the registry's.
constexpr std::array owned_fields{
    "namespace",         "uid",      "resourceVersion",           "generation", "creationTimestamp",
    "deletionTimestamp", "selfLink", "deletionGracePeriodSeconds"};

void drop(json::object& object, std::string_view name) {
  object.erase(name);
}

/// Kubernetes counts generations of objects that something reconciles from their spec.
bool has_generation(const object_key& key, const json::value& document) {
  constexpr std::array none{"namespaces",
                            "nodes",
                            "services",
                            "leases.coordination.k8s.io",
                            "events",
                            "persistentvolumes",
                            "persistentvolumeclaims"};
  return std::find(none.begin(), none.end(), key.resource) == none.end() && find(document, {"spec"});
}

/// Copies one field, or its absence.
void copy_field(const json::object& from, json::object& to, std::string_view name) {
  if (auto* value = from.if_contains(name); value && !value->is_null())
    to[name] = *value;
  else
    drop(to, name);
}

/// Who owns what is kept by who writes: who says nothing of it leaves it, an empty list takes it away.
void take_managers(const json::value& given, const json::object& old_meta, json::object& meta) {
  auto* managers = find(given, {"metadata", "managedFields"});
  if (!managers || !managers->is_array())
    copy_field(old_meta, meta, "managedFields");
  else if (managers->get_array().empty())
    drop(meta, "managedFields");
  else
    meta["managedFields"] = *managers;
}

/// Metadata is the client's but for identity and who owns what.
void take_metadata(const json::value& given, const json::object& old_meta, json::object& meta) {
  for (auto* field : owned_fields)
    copy_field(old_meta, meta, field);
  copy_field(old_meta, meta, "name");
  take_managers(given, old_meta, meta);
}

/// Everything but metadata and status is what a generation counts.
bool same_desire(const json::object& a, const json::object& b) {
  auto plain = [](json::object o) {
    o.erase("metadata");
    o.erase("status");
    return o;
  };
  return plain(a) == plain(b);
}

std::string in_quotes(std::string_view name) {
  return '"' + std::string{name} + '"';
}

/// Preconditions on identity and version, with the words of their kind of request.
caf::error update_precondition(const object& stored, const std::string& uid, uint64_t version) {
  if (!uid.empty() && uid != stored.uid())
    return conflict(stored.key(), "Precondition failed: UID in precondition: " + uid
                                      + ", UID in object meta: " + stored.uid());
  if (version != 0 && version != stored.resource_version()) return modified_meanwhile(stored.key());
  return {};
}

decision unless_same(const json::value& before, json::value after) {
  if (before == after) return {};
  return {outcome::write, std::move(after)};
}

/// True when an object that is being deleted waits for nothing any more.
bool may_go(const object_key& key, const json::value& document) {
  return find(document, {"metadata", "deletionTimestamp"}) && empty_list(document, {"metadata", "finalizers"})
         && number_at(document, {"metadata", "deletionGracePeriodSeconds"}).value_or(0) == 0
         && !(is_namespace(key) && !empty_list(document, {"spec", "finalizers"}));
}

/// The next version, or the last one if its last finalizer is what went.
decision written_or_gone(const object_key& key, const json::value& before, json::value after) {
  auto next = unless_same(before, std::move(after));
  if (next.what == outcome::write && may_go(key, next.document)) next.what = outcome::remove;
  return next;
}

/// The new list of conditions: stored ones of types that `next` lacks come first.
json::array merged_conditions(const json::value* stored, const json::value* next) {
  json::array out;
  auto type_of = [](const json::value& c) { return text_at(c, {"type"}); };
  auto* fresh = next ? next->if_array() : nullptr;
  if (auto* old = stored ? stored->if_array() : nullptr)
    for (auto& c : *old)
      if (!fresh
          || std::none_of(fresh->begin(), fresh->end(), [&](auto& n) { return type_of(n) == type_of(c); }))
        out.push_back(c);
  if (fresh)
    for (auto& c : *fresh)
      out.push_back(c);
  return out;
}

const json::value* condition_of(const json::value& document, std::string_view type) {
  auto* conditions = find(document, {"status", "conditions"});
  if (conditions && conditions->is_array())
    for (auto& c : conditions->get_array())
      if (text_at(c, {"type"}) == type) return &c;
  return nullptr;
}

void set_condition(json::object& status, json::object condition) {
  auto& conditions = status["conditions"];
  if (!conditions.is_array()) conditions = json::array{};
  auto type = text_at(condition, {"type"});
  for (auto& c : conditions.get_array())
    if (text_at(c, {"type"}) == type) {
      c = std::move(condition);
      return;
    }
  conditions.get_array().push_back(std::move(condition));
}

/// What a bound or ended pod does not lose by a late status.
void keep_pod_facts(const json::value& before, json::object& after) {
  auto& status = child(after, "status");
  auto phase = text_at(before, {"status", "phase"});
  if (terminal(phase) && text_at(status, {"phase"}) != phase) {
    status["phase"] = phase;
    auto* old = find(before, {"status"});
    copy_field(old->get_object(), status, "reason");
    copy_field(old->get_object(), status, "message");
  }
  if (text_at(before, {"spec", "nodeName"}).empty()) return;
  auto* was = condition_of(before, "PodScheduled");
  if (!was || text_at(*was, {"status"}) != "True") return;
  json::value whole(after);
  auto* now = condition_of(whole, "PodScheduled");
  if (!now || text_at(*now, {"status"}) != "True") set_condition(status, was->get_object());
}

json::object scheduled_condition(wall_time now) {
  return {{"type", "PodScheduled"},
          {"status", "True"},
          {"lastProbeTime", nullptr},
          {"lastTransitionTime", to_rfc3339(now)}};
}

bool has_gates(const json::object& pod) {
  auto* spec = pod.if_contains("spec");
  auto* gates = spec && spec->is_object() ? spec->get_object().if_contains("schedulingGates") : nullptr;
  return gates && gates->is_array() && !gates->get_array().empty();
}

} // namespace

bool is_namespace(const object_key& key) {
  return key.resource == "namespaces";
}

bool is_volatile(std::string_view resource) {
  return resource == "leases.coordination.k8s.io";
}

caf::error not_found(const object_key& key) {
  return make_error(errc::not_found, key.resource + ' ' + in_quotes(key.name) + " not found");
}

caf::error already_exists(const object_key& key) {
  return make_error(errc::already_exists, key.resource + ' ' + in_quotes(key.name) + " already exists");
}

caf::error conflict(const object_key& key, const std::string& why) {
  return make_error(errc::conflict, "Operation cannot be fulfilled on " + key.resource + ' '
                                        + in_quotes(key.name) + ": " + why);
}

caf::error modified_meanwhile(const object_key& key) {
  return conflict(
      key, "the object has been modified; please apply your changes to the latest version and try again");
}

caf::error admits_new_content(const object_key& key, const object* ns) {
  if (!ns) return not_found({"namespaces", "", key.ns});
  if (!ns->meta().deletion_timestamp) return {};
  return make_error(errc::forbidden, key.resource + ' ' + in_quotes(key.name)
                                         + " is forbidden: unable to create new content in namespace "
                                         + key.ns + " because it is being terminated");
}

std::string generated_name(std::string_view base, random_stream& random) {
  constexpr size_t max_base = 58;
  return std::string{base.substr(0, max_base)} + random.name_suffix(5);
}

decision created(const object_key& key, const json::value& document, const std::string& uid, wall_time now) {
  json::object out = document.is_object() ? document.get_object() : json::object{};
  auto& meta = child(out, "metadata");
  for (auto* field : owned_fields)
    drop(meta, field);
  if (empty_list(document, {"metadata", "managedFields"})) drop(meta, "managedFields");
  meta["name"] = key.name;
  if (!key.ns.empty()) meta["namespace"] = key.ns;
  meta["uid"] = uid;
  meta["creationTimestamp"] = to_rfc3339(now);
  if (key.resource == "pods") {
    // A new pod has no past, whatever the document says.
    auto qos = text_at(json::value(out), {"status", "qosClass"});
    json::object status{{"phase", "Pending"}};
    if (!qos.empty()) status["qosClass"] = qos;
    if (has_gates(out))
      status["conditions"] = {{{"type", "PodScheduled"},
                               {"status", "False"},
                               {"lastProbeTime", nullptr},
                               {"lastTransitionTime", nullptr},
                               {"reason", "SchedulingGated"},
                               {"message", "Scheduling is blocked due to non-empty scheduling gates"}}};
    out["status"] = std::move(status);
  } else if (is_namespace(key)) {
    out["status"] = {{"phase", "Active"}};
    child(out, "spec")["finalizers"] = {"kubernetes"};
    child(child(out, "metadata"), "labels")["kubernetes.io/metadata.name"] = key.name;
  }
  json::value result(std::move(out));
  if (has_generation(key, result)) result.get_object()["metadata"].get_object()["generation"] = 1;
  return {outcome::write, std::move(result)};
}

verdict updated(const object& stored, const update_object& request) {
  auto before = stored.document();
  const json::value none(json::object_kind);
  auto& given = request.document.ptr && request.document.ptr->is_object() ? *request.document.ptr : none;
  auto uid = request.uid.empty() ? text_at(given, {"metadata", "uid"}) : request.uid;
  if (auto err = update_precondition(stored, uid, request.expected_version)) return err;
  auto& old = before.get_object();
  if (request.part == update_part::status) {
    auto after = old;
    copy_field(given.get_object(), after, "status");
    if (auto* meta = find(given, {"metadata"}); meta && meta->is_object()) after["metadata"] = *meta;
    take_metadata(given, child(old, "metadata"), child(after, "metadata"));
    if (stored.key().resource == "pods")
      copy_field(child(old, "metadata"), child(after, "metadata"), "ownerReferences");
    return written_or_gone(stored.key(), before, std::move(after));
  }
  auto after = given.get_object();
  copy_field(old, after, "status");
  take_metadata(given, child(old, "metadata"), child(after, "metadata"));
  if (!same_desire(old, after)) grow_generation(child(after, "metadata"));
  return written_or_gone(stored.key(), before, std::move(after));
}

// Resources with a "/" in their name are given to a node by others: its own writes leave them, and all of
// each can be had. Source: the kubelet's status of extended resources.
static void keep_extended_resources(const json::value& before, json::object& status) {
  auto is_theirs = [](auto& member) { return member.key().find('/') != std::string_view::npos; };
  auto* had = find(before, {"status", "capacity"});
  for (auto* list : {"capacity", "allocatable"}) {
    if (!had && !status.contains(list)) continue;
    auto& amounts = child(status, list);
    for (auto* i = amounts.begin(); i != amounts.end();)
      i = is_theirs(*i) ? amounts.erase(i) : i + 1;
    if (!had || !had->is_object()) continue;
    for (auto& member : had->get_object())
      if (is_theirs(member)) amounts[member.key()] = member.value();
  }
}

verdict status_put(const object& stored, const put_status& request) {
  if (!request.uid.empty() && request.uid != stored.uid()) return update_precondition(stored, request.uid, 0);
  auto before = stored.document();
  auto after = before.get_object();
  after["status"] = request.status.ptr && request.status.ptr->is_object() ? *request.status.ptr
                                                                          : json::value(json::object_kind);
  auto& status = after["status"].get_object();
  auto merged = merged_conditions(find(before, {"status", "conditions"}), status.if_contains("conditions"));
  if (merged.empty())
    drop(status, "conditions");
  else
    status["conditions"] = std::move(merged);
  if (stored.key().resource == "pods") keep_pod_facts(before, after);
  if (stored.key().resource == "nodes") keep_extended_resources(before, status);
  return unless_same(before, std::move(after));
}

verdict bound(const object& stored, const bind_pod& request, wall_time now) {
  auto refuse = [&](const std::string& why) {
    return make_error(errc::conflict, "Operation cannot be fulfilled on pods/binding "
                                          + in_quotes(stored.key().name) + ": " + why);
  };
  if (auto err = update_precondition(stored, request.uid, 0)) return err;
  auto before = stored.document();
  auto node = text_at(before, {"spec", "nodeName"});
  if (node == request.node && !node.empty()) return decision{};
  if (!node.empty())
    return refuse("pod " + stored.key().name + " is already assigned to node " + in_quotes(node));
  if (stored.meta().deletion_timestamp)
    return refuse("pod " + stored.key().name + " is being deleted, cannot be assigned to a host");
  auto after = before.get_object();
  child(after, "spec")["nodeName"] = request.node;
  set_condition(child(after, "status"), scheduled_condition(now));
  return unless_same(before, std::move(after));
}

json::value namespace_document(const std::string& name) {
  return {
      {"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name}}}, {"spec", json::object{}}};
}

} // namespace podium::registry_rules
