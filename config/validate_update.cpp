// What may change in a pod that exists.
#include "config/document.hpp"
#include "config/json_access.hpp"
#include "config/validate.hpp"

#include <algorithm>

namespace podium::config {
namespace {

constexpr std::string_view may_not_change =
    "pod updates may not change fields other than "
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec."
    "tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
    "was "
    "previously negative)";

const json::object& spec_of(const json::value& pod) {
  static const json::object none;
  const auto* spec = object_at(pod, "spec");
  return spec == nullptr ? none : *spec;
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

/// The paths at which two values differ, for people; at most `most` of them.
void differences(const json::value& before, const json::value& after, const std::string& path, size_t most,
                 std::vector<std::string>& out) {
  if (before == after || out.size() >= most) return;
  if (before.is_object() && after.is_object()) {
    for (const auto& [key, value] : before.get_object()) {
      const auto* other = member(after, key);
      if (other == nullptr)
        out.push_back(join_path(path, key));
      else
        differences(value, *other, join_path(path, key), most, out);
    }
    for (const auto& [key, value] : after.get_object())
      if (!has(before, key)) out.push_back(join_path(path, key));
  } else if (before.is_array() && after.is_array() && before.get_array().size() == after.get_array().size()) {
    for (size_t i = 0; i < before.get_array().size(); ++i)
      differences(before.get_array()[i], after.get_array()[i], join_path(path, i), most, out);
  } else {
    out.push_back(path);
  }
}

void validate_deadline(const json::object& before, const json::object& after, field_causes& out) {
  if (!has(before, "activeDeadlineSeconds")) return;
  auto was = int_at(before, "activeDeadlineSeconds");
  if (!has(after, "activeDeadlineSeconds"))
    out.invalid("spec.activeDeadlineSeconds", nullptr,
                "must not update from a positive integer to nil value");
  else if (auto is = int_at(after, "activeDeadlineSeconds"); is > was)
    out.invalid("spec.activeDeadlineSeconds", is, "must be less than or equal to previous value");
}

void validate_tolerations(const json::object& before, const json::object& after, field_causes& out) {
  const auto& now = list_at(after, "tolerations");
  auto same_but_time = [](const json::value& a, const json::value& b) {
    auto strip = [](json::value v) {
      if (auto* object = v.if_object()) object->erase("tolerationSeconds");
      return v;
    };
    return strip(a) == strip(b);
  };
  for (const auto& old : list_at(before, "tolerations"))
    if (std::none_of(now.begin(), now.end(), [&](const auto& t) { return same_but_time(old, t); })) {
      out.forbidden("spec.tolerations",
                    "existing toleration can not be modified except its tolerationSeconds");
      return;
    }
}

} // namespace

field_causes validate_pod_update(const json::value& before, const json::value& after) {
  auto out = validate_pod(after);
  validate_metadata_update(before, after, out);
  const auto& old_spec = spec_of(before);
  const auto& new_spec = spec_of(after);
  for (auto list : {"containers", "initContainers"})
    if (list_at(old_spec, list).size() != list_at(new_spec, list).size()) {
      out.forbidden(join_path("spec", list), "pod updates may not add or remove containers");
      return out;
    }
  validate_deadline(old_spec, new_spec, out);
  validate_tolerations(old_spec, new_spec, out);
  // What may change is put back to what it was; the rest must then be equal.
  auto rest = new_spec;
  for (auto list : {"containers", "initContainers"})
    take_images(rest, old_spec, list);
  // Ephemeral containers and the resources of a resize have their own ways in.
  for (auto key : {"activeDeadlineSeconds", "tolerations"})
    take(rest, old_spec, key);
  if (int_at(old_spec, "terminationGracePeriodSeconds") < 0
      && int_at(new_spec, "terminationGracePeriodSeconds") == 1)
    take(rest, old_spec, "terminationGracePeriodSeconds");
  if (json::value(rest) != json::value(old_spec)) {
    std::vector<std::string> where;
    differences(json::value(old_spec), json::value(rest), "spec", 20, where);
    std::string text{may_not_change};
    for (const auto& path : where)
      text += "\n  " + path;
    out.forbidden("spec", text);
  }
  return out;
}

} // namespace podium::config
