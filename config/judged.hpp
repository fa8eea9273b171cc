// One object under judgement: what its fields hold, and where their mistakes go. For the rules of validation.
#pragma once
#include "config/document.hpp"
#include "config/json_access.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace podium::config {

using words = std::vector<std::string_view>;

/// An object with its path. The object must outlive it.
class judged {
public:
  judged(const json::object& object, std::string path, field_causes& out)
      : object_(&object), path_(std::move(path)), out_(&out) {}

  const json::object& object() const { return *object_; }
  const std::string& path() const { return path_; }
  field_causes& out() const { return *out_; }
  std::string at(std::string_view field) const { return join_path(path_, field); }
  std::string at(std::string_view field, size_t i) const { return join_path(at(field), i); }

  bool has(std::string_view field) const {
    const auto* value = object_->if_contains(field);
    return value != nullptr && !value->is_null();
  }
  std::string_view text(std::string_view field) const { return text_at(*object_, field); }
  int64_t number(std::string_view field, int64_t otherwise = 0) const {
    return int_at(*object_, field, otherwise);
  }
  bool flag(std::string_view field, bool otherwise = false) const {
    return bool_at(*object_, field, otherwise);
  }
  const json::array& list(std::string_view field) const { return list_at(*object_, field); }
  /// The value of a field; null if there is none.
  const json::value& value(std::string_view field) const {
    static const json::value none;
    const auto* found = object_->if_contains(field);
    return found == nullptr ? none : *found;
  }

  /// The field must hold text.
  void needs(std::string_view field, std::string_view detail = {}) const {
    if (text(field).empty()) out_->required(at(field), detail);
  }
  /// Text, if there is any, must look so.
  void format(std::string_view field, name_check check) const {
    if (auto t = text(field); !t.empty()) out_->invalid(at(field), json::value(t), check(t));
  }
  void needs_format(std::string_view field, name_check check) const {
    needs(field);
    format(field, check);
  }
  /// Text must be one of a few words; `is_required` also refuses its absence.
  void choice(std::string_view field, const words& supported, bool is_required = false) const {
    auto t = text(field);
    if (t.empty() && !has(field))
      is_required ? out_->required(at(field)) : void();
    else if (t.empty() && is_required)
      out_->required(at(field));
    else if (std::find(supported.begin(), supported.end(), t) == supported.end())
      out_->not_supported(at(field), t, supported);
  }
  void not_negative(std::string_view field) const {
    if (auto n = number(field); n < 0) out_->invalid(at(field), n, "must be greater than or equal to 0");
  }
  /// A number, if there is one, must lie in [low, high].
  void between(std::string_view field, int64_t low, int64_t high) const {
    if (!has(field)) return;
    if (auto n = number(field); n < low || n > high)
      out_->invalid(at(field), n,
                    "must be between " + std::to_string(low) + " and " + std::to_string(high)
                        + ", inclusive");
  }
  /// The field's own value is wrong.
  void invalid(std::string_view field, std::string_view detail) const {
    out_->invalid(at(field), value(field), detail);
  }
  void forbidden(std::string_view field, std::string_view detail) const {
    out_->forbidden(at(field), detail);
  }

  /// Calls `f(judged)` for the object at `field`, if there is one.
  template <class F>
  void with(std::string_view field, F&& f) const {
    if (const auto* inner = object_at(*object_, field)) f(judged{*inner, at(field), *out_});
  }
  /// Calls `f(judged, index)` for each object of the list at `field`.
  template <class F>
  void each(std::string_view field, F&& f) const {
    const auto& items = list(field);
    for (size_t i = 0; i < items.size(); ++i)
      if (const auto* item = items[i].if_object()) f(judged{*item, at(field, i), *out_}, i);
  }
  /// Calls `f(text, path)` for each text of the list at `field`.
  template <class F>
  void each_text(std::string_view field, F&& f) const {
    const auto& items = list(field);
    for (size_t i = 0; i < items.size(); ++i)
      if (items[i].is_string()) f(std::string_view{items[i].get_string()}, at(field, i));
  }

private:
  const json::object* object_;
  std::string path_;
  field_causes* out_;
};

/// What the parts of a pod need to know of the whole.
struct pod_facts {
  std::string_view pod_name;            ///< "" in templates and before a name was made
  std::optional<int64_t> grace_seconds; ///< none if what is given is no grace period
  bool host_users = true;
  bool never_restarts = false;
  std::map<std::string, bool, std::less<>> volumes; ///< good ones; true for those made of claims
  std::set<std::string, std::less<>> claims;        ///< names of resourceClaims
};

// The parts, in files of their own (validate_*.cpp).
void validate_metadata(const json::value& object, bool namespaced, name_check check, field_causes& out);
void validate_metadata_update(const json::value& before, const json::value& after, field_causes& out);
void validate_labels(const json::object* labels, const std::string& path, field_causes& out);
void validate_label_selector(const judged& selector);
void validate_finalizer(std::string_view name, const std::string& path, field_causes& out);
void validate_pod_spec(const judged& spec, std::string_view pod_name);
void validate_pod_parts(const json::value& pod, field_causes& out);
void validate_volumes(const judged& spec, pod_facts& facts);
void validate_containers(const judged& spec, const pod_facts& facts);
void validate_env(const judged& container);
void validate_field_ref(const judged& ref, const words& supported);
void validate_resource_field_ref(const judged& ref, bool needs_container);
void validate_probe(const judged& probe, const pod_facts& facts);
void validate_handler(const judged& handler, bool is_probe, const pod_facts& facts);
void validate_resources(const judged& resources, const pod_facts* facts);
void validate_quantity(std::string_view resource, const json::value& amount, const std::string& path,
                       field_causes& out);
void validate_security_context(const judged& context, bool host_users);
void validate_pod_security(const judged& spec);
void validate_os(const judged& spec);
void validate_tolerations(const judged& spec);
void validate_affinity(const judged& spec);
void validate_topology_spread(const judged& spec);
void validate_taints(const json::object& node_spec, field_causes& out);
void validate_node(const json::value& node, field_causes& out);
void validate_node_update(const json::value& before, const json::value& after, field_causes& out);
void validate_event(const group_version_kind& gvk, const json::value& event, field_causes& out);
void validate_event_update(const group_version_kind& gvk, const json::value& before, const json::value& after,
                           field_causes& out);

} // namespace podium::config
