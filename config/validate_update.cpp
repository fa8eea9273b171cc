// What may change in a pod that exists.
#include "config/go_diff.hpp"
#include "config/judged.hpp"

#include <limits>

namespace podium::config {
namespace {

constexpr std::string_view may_not_change =
    "pod updates may not change fields other than "
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec."
    "tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
    "was "
    "previously negative)";

const json::object& part_of(const json::value& pod, std::string_view key) {
  static const json::object none;
  const auto* found = object_at(pod, key);
  return found == nullptr ? none : *found;
}

void take(json::object& into, const json::object& from, std::string_view key) {
  if (const auto* value = from.if_contains(key))
    into[key] = *value;
  else
    into.erase(key);
}

/// Gives `after` the images of `before`, where both have the same number of containers.
void take_images(json::object& after, const json::object& before, std::string_view list) {
  auto* value = after.if_contains(list);
  const auto& old = list_at(before, list);
  if (value == nullptr || !value->is_array() || value->get_array().size() != old.size()) return;
  for (size_t i = 0; i < old.size(); ++i)
    if (auto* container = value->get_array()[i].if_object(); container != nullptr && old[i].is_object())
      take(*container, old[i].get_object(), "image");
}

/// The deadline may come, and become shorter. False ends the judgement, as in Kubernetes.
bool validate_deadline(const judged& before, const judged& after) {
  constexpr auto field = "activeDeadlineSeconds";
  if (after.has(field)) {
    auto now = after.number(field);
    if (now < 0 || now > std::numeric_limits<int32_t>::max()) {
      after.invalid(field, "must be between 0 and 2147483647, inclusive");
      return false;
    }
    if (before.has(field) && now > before.number(field)) {
      after.invalid(field, "must be less than or equal to previous value");
      return false;
    }
  } else if (before.has(field)) {
    after.invalid(field, "must not update from a positive integer to nil value");
  }
  return true;
}

void validate_added_tolerations(const judged& before, const judged& after) {
  const auto& now = after.list("tolerations");
  auto same_but_time = [](const json::value& a, const json::value& b) {
    auto strip = [](json::value v) {
      if (auto* object = v.if_object()) object->erase("tolerationSeconds");
      return v;
    };
    return strip(a) == strip(b);
  };
  for (const auto& old : before.list("tolerations"))
    if (std::none_of(now.begin(), now.end(), [&](const auto& t) { return same_but_time(old, t); }))
      return after.forbidden("tolerations",
                             "existing toleration can not be modified except its tolerationSeconds");
}

void validate_removed_gates(const judged& before, const judged& after) {
  const auto& old = before.list("schedulingGates");
  after.each("schedulingGates", [&](const judged& gate, size_t) {
    auto name = gate.text("name");
    if (std::none_of(old.begin(), old.end(), [&](auto& g) { return text_at(g, "name") == name; }))
      gate.forbidden("name",
                     "only deletion is allowed, but found new scheduling gate '" + std::string{name} + "'");
  });
}

/// A pod that is held by gates may still be given labels of nodes to wish for.
void validate_gated_selector(const judged& before, const judged& after, json::object& rest) {
  if (before.list("schedulingGates").empty()) return;
  const auto* old = object_at(before.object(), "nodeSelector");
  const auto* now = object_at(after.object(), "nodeSelector");
  if (old != nullptr)
    for (const auto& [key, value] : *old) {
      const auto* kept = now == nullptr ? nullptr : now->if_contains(key);
      if (kept == nullptr || *kept != value) {
        after.invalid("nodeSelector",
                      "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
        break;
      }
    }
  take(rest, before.object(), "nodeSelector");
}

struct fixed_annotation {
  std::string_view prefix, name;
};

constexpr fixed_annotation fixed_annotations[] = {
    {"container.apparmor.security.beta.kubernetes.io/", "AppArmor annotations"},
    {"kubernetes.io/config.mirror", "mirror pod annotation"},
};

void validate_annotation_changes(const json::value& before, const json::value& after, field_causes& out) {
  static const json::object none;
  const auto* old = object_at(part_of(before, "metadata"), "annotations");
  const auto* now = object_at(part_of(after, "metadata"), "annotations");
  if (old == nullptr) old = &none;
  if (now == nullptr) now = &none;
  auto say = [&](std::string_view key, std::string_view verb) {
    for (const auto& row : fixed_annotations)
      if (key.starts_with(row.prefix))
        out.forbidden("metadata.annotations[" + std::string{key} + "]",
                      "may not " + std::string{verb} + " " + std::string{row.name});
  };
  for (const auto& [key, value] : *old)
    if (const auto* kept = now->if_contains(key); kept == nullptr || *kept != value)
      say(key, "remove or update");
  for (const auto& [key, value] : *now)
    if (!old->contains(key)) say(key, "add");
}

/// What may change is put back to what it was; the rest must then be equal.
void validate_rest(const judged& before, const judged& after) {
  auto rest = after.object();
  const auto& old = before.object();
  for (auto list : {"containers", "initContainers"})
    take_images(rest, old, list);
  for (auto key : {"activeDeadlineSeconds", "tolerations", "schedulingGates"})
    take(rest, old, key);
  if (before.number("terminationGracePeriodSeconds") < 0
      && after.number("terminationGracePeriodSeconds") == 1)
    take(rest, old, "terminationGracePeriodSeconds");
  validate_gated_selector(before, after, rest);
  json::value is = std::move(rest), was = old;
  if (is == was) return;
  after.out().forbidden("spec",
                        std::string{may_not_change} + "\n" + go_diff(*find_type("core.v1.PodSpec"), was, is));
}

} // namespace

field_causes validate_pod_update(const json::value& before, const json::value& after) {
  field_causes out;
  validate_metadata_update(before, after, out);
  field_causes parts;
  validate_pod_parts(after, parts);
  for (const auto& cause : parts)
    out.take(cause);
  validate_annotation_changes(before, after, out);
  judged old_spec{part_of(before, "spec"), "spec", out};
  judged new_spec{part_of(after, "spec"), "spec", out};
  for (auto list : {"containers", "initContainers"})
    if (old_spec.list(list).size() != new_spec.list(list).size()) {
      new_spec.forbidden(list, "pod updates may not add or remove containers");
      return out;
    }
  if (!validate_deadline(old_spec, new_spec)) return out;
  validate_added_tolerations(old_spec, new_spec);
  validate_removed_gates(old_spec, new_spec);
  validate_rest(old_spec, new_spec);
  return out;
}

field_causes validate_ephemeral_update(const json::value& before, const json::value& after) {
  field_causes out;
  validate_metadata_update(before, after, out);
  field_causes parts;
  validate_pod_parts(after, parts);
  for (const auto& cause : parts)
    out.take(cause);
  constexpr auto list = "ephemeralContainers";
  const auto& now = list_at(part_of(after, "spec"), list);
  for (const auto& old : list_at(part_of(before, "spec"), list)) {
    auto name = std::string{text_at(old, "name")};
    auto kept =
        std::find_if(now.begin(), now.end(), [&](const auto& c) { return text_at(c, "name") == name; });
    auto say = [&](const char* verb) {
      out.forbidden("spec.ephemeralContainers",
                    "existing ephemeral containers \"" + name + "\" may not be " + verb + "\n");
    };
    if (kept == now.end())
      say("removed");
    else if (*kept != old)
      say("changed");
  }
  return out;
}

} // namespace podium::config
