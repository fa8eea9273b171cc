// What a deletion makes of a stored object: marked, held by finalizers, or gone.
#include "actors/document_access.hpp"
#include "actors/garbage_rules.hpp"
#include "actors/registry_rules.hpp"
#include "core/saturating.hpp"

#include <algorithm>

namespace podium::registry_rules {

namespace json = boost::json;

namespace {

/// Seconds of grace of a pod's first deletion. Source: podStrategy.CheckGracefulDelete.
int64_t pod_grace(const json::value& pod, int64_t requested) {
  constexpr int64_t default_seconds = 30;
  if (text_at(pod, {"spec", "nodeName"}).empty() || terminal(text_at(pod, {"status", "phase"}))) return 0;
  auto grace = requested;
  if (grace == -1)
    grace = number_at(pod, {"spec", "terminationGracePeriodSeconds"}).value_or(default_seconds);
  return grace < 0 ? 1 : bounded_period(grace).count();
}

/// Marks the document as being deleted at `when`, once.
void mark_deleted(json::object& document, wall_time when, int64_t grace) {
  auto& meta = child(document, "metadata");
  if (!meta.contains("deletionTimestamp")) grow_generation(meta);
  meta["deletionTimestamp"] = to_rfc3339(when);
  meta["deletionGracePeriodSeconds"] = grace;
}

/// The finalizers after a deletion by `policy`: whoever asks for Foreground or Orphan leaves the garbage
/// collector's mark, and says by it that an earlier mark is void; who asks for nothing leaves what is there.
/// Source: deletionFinalizersForGarbageCollection.
json::array held_by(const json::value& before, const std::string& policy) {
  auto* list = find(before, {"metadata", "finalizers"});
  json::array out = list && list->is_array() ? list->get_array() : json::array{};
  if (policy.empty()) return out;
  std::string_view mark = policy == "Foreground" ? garbage_rules::foreground_finalizer
                          : policy == "Orphan"   ? garbage_rules::orphan_finalizer
                                                 : std::string_view{};
  if (std::find(out.begin(), out.end(), json::value(mark)) != out.end()) mark = {};
  auto void_now = [&](const json::value& name) {
    return (name == json::value(garbage_rules::foreground_finalizer) && policy != "Foreground")
           || (name == json::value(garbage_rules::orphan_finalizer) && policy != "Orphan");
  };
  out.erase(std::remove_if(out.begin(), out.end(), void_now), out.end());
  if (!mark.empty()) out.emplace_back(mark);
  return out;
}

void set_finalizers(json::object& document, json::array finalizers) {
  auto& meta = child(document, "metadata");
  if (finalizers.empty())
    meta.erase("finalizers");
  else
    meta["finalizers"] = std::move(finalizers);
}

decision written_if_new(const json::value& before, json::value after) {
  if (before == after) return {};
  return {outcome::write, std::move(after)};
}

decision delete_pod(json::value before, const delete_object& request, wall_time now) {
  auto after = before.get_object();
  auto finalizers = held_by(before, request.propagation_policy);
  auto held = !finalizers.empty();
  set_finalizers(after, std::move(finalizers));
  auto current = number_at(before, {"metadata", "deletionGracePeriodSeconds"});
  if (auto deletion = parse_rfc3339(text_at(before, {"metadata", "deletionTimestamp"}));
      deletion && current) {
    // Under way already: grace can only be made shorter, and unless it is, the first deletion stands.
    auto grace = request.grace_seconds == -1 ? *current : std::max<int64_t>(request.grace_seconds, 0);
    if (text_at(before, {"spec", "nodeName"}).empty() || terminal(text_at(before, {"status", "phase"})))
      grace = 0;
    if (grace >= *current && *current > 0) return {};
    if (grace == 0 && !held) return {outcome::remove, std::move(before)};
    if (grace < *current) mark_deleted(after, *deletion - std::chrono::seconds{*current - grace}, grace);
    return written_if_new(before, std::move(after));
  }
  auto grace = pod_grace(before, request.grace_seconds);
  if (grace == 0 && !held) return {outcome::remove, std::move(before)};
  mark_deleted(after, now + std::chrono::seconds{grace}, grace);
  return {outcome::write, std::move(after)};
}

decision delete_namespace(json::value before, wall_time now, bool empty) {
  auto after = before.get_object();
  if (find(before, {"metadata", "deletionTimestamp"})) {
    if (!empty) return {};
    // Kubernetes' own mark goes with the content; those of others are theirs to take away.
    auto& spec = child(after, "spec");
    auto* list = spec.if_contains("finalizers");
    json::array others = list && list->is_array() ? list->get_array() : json::array{};
    others.erase(std::remove(others.begin(), others.end(), json::value("kubernetes")), others.end());
    bool held = !others.empty() || !empty_list(before, {"metadata", "finalizers"});
    if (others.empty())
      spec.erase("finalizers");
    else
      spec["finalizers"] = std::move(others);
    if (!held) return {outcome::remove, std::move(after)};
    return written_if_new(before, std::move(after));
  }
  // A namespace has no grace period: it goes when the last thing in it has gone.
  child(after, "metadata")["deletionTimestamp"] = to_rfc3339(now);
  child(after, "status")["phase"] = "Terminating";
  return {outcome::write, std::move(after)};
}

/// What else has no grace: it goes at once, unless finalizers hold it. Whoever deletes an event means nobody
/// but it.
decision delete_at_once(const object_key& key, json::value before, const std::string& policy, wall_time now) {
  auto finalizers = held_by(before, key.resource == "events" && !policy.empty() ? "Background" : policy);
  if (finalizers.empty()) return {outcome::remove, std::move(before)};
  auto after = before.get_object();
  set_finalizers(after, std::move(finalizers));
  if (!find(before, {"metadata", "deletionTimestamp"})) mark_deleted(after, now, 0);
  return written_if_new(before, std::move(after));
}

/// Source: rest.BeforeDelete, which names the kind, and namespaceDeleter, which does not.
caf::error precondition(const object& stored, const json::value& document, const delete_object& request) {
  auto version = std::to_string(stored.resource_version());
  auto wrong_uid = !request.uid.empty() && request.uid != stored.uid();
  auto wrong_version = request.expected_version != 0 && request.expected_version != stored.resource_version();
  if (!wrong_uid && !wrong_version) return {};
  auto what = wrong_uid ? "UID" : "ResourceVersion";
  auto given = wrong_uid ? request.uid : std::to_string(request.expected_version);
  auto is = wrong_uid ? stored.uid() : version;
  if (is_namespace(stored.key()))
    return conflict(stored.key(), std::string{"Precondition failed: "} + what + " in precondition: " + given
                                      + ", " + what + " in object meta: " + is);
  auto gv = text_at(document, {"apiVersion"});
  auto slash = gv.find('/');
  auto kind = text_at(document, {"kind"}) + (slash == gv.npos ? "" : '.' + gv.substr(0, slash));
  return conflict({kind, "", stored.key().name},
                  std::string{"the "} + what + " in the precondition (" + given + ") does not match the "
                      + what + " in record (" + is + "). The object might have been "
                      + (wrong_uid ? "deleted and then recreated" : "modified"));
}

} // namespace

verdict deleted(const object& stored, const delete_object& request, wall_time now, bool empty_namespace) {
  auto before = stored.document();
  if (auto err = precondition(stored, before, request)) return err;
  if (stored.key().resource == "pods") return delete_pod(std::move(before), request, now);
  if (is_namespace(stored.key())) return delete_namespace(std::move(before), now, empty_namespace);
  return delete_at_once(stored.key(), std::move(before), request.propagation_policy, now);
}

} // namespace podium::registry_rules
