// Validation of nodes and events.
#include "config/judged.hpp"

#include <cstdlib>

namespace podium::config {
namespace {

constexpr size_t most_short_bytes = 128, most_note_bytes = 1024;

const json::object& part_of(const json::value& object, std::string_view key) {
  static const json::object none;
  const auto* found = object_at(object, key);
  return found == nullptr ? none : *found;
}

bool is_v6(std::string_view cidr) {
  return cidr.find(':') != std::string_view::npos;
}

void validate_pod_cidrs(const judged& spec) {
  const auto& cidrs = spec.list("podCIDRs");
  size_t v6 = 0;
  bool good = true;
  spec.each_text("podCIDRs", [&](std::string_view cidr, const std::string& path) {
    auto problems = check_cidr(cidr);
    good &= problems.empty();
    v6 += is_v6(cidr) ? 1 : 0;
    spec.out().invalid(path, json::value(cidr), problems);
  });
  if (cidrs.size() < 2) return;
  bool dual = cidrs.size() == 2 && v6 == 1;
  if (good && !dual) spec.invalid("podCIDRs", "may specify no more than one CIDR for each IP family");
  std::set<std::string_view> seen;
  spec.each_text("podCIDRs", [&](std::string_view cidr, const std::string& path) {
    if (!seen.insert(cidr).second) spec.out().duplicate(path, json::value(cidr));
  });
}

void validate_node_resources(const json::value& node, field_causes& out) {
  for (auto key : {"capacity", "allocatable"})
    if (const auto* amounts = object_at(part_of(node, "status"), key))
      for (const auto& [name, value] : *amounts)
        validate_quantity(name, value, std::string{"status."} + key + "." + std::string{name}, out);
}

/// What has a limit in events, and what the other API group calls it.
struct event_field {
  std::string_view core_name, new_name;
  size_t most_bytes;
  bool is_required;
};

constexpr event_field event_fields[] = {
    {"reportingInstance", "reportingInstance", most_short_bytes, true},
    {"action", "action", most_short_bytes, true},
    {"reason", "reason", most_short_bytes, true},
    {"message", "note", most_note_bytes, false},
};

// Mistakes are told in the core group's names, as Kubernetes does.
struct event_view {
  const json::object& event;
  bool is_core;
  std::string_view reporter() const {
    return text_at(event, is_core ? "reportingComponent" : "reportingController");
  }
  const json::object& about() const {
    static const json::object none;
    const auto* found = object_at(event, is_core ? "involvedObject" : "regarding");
    return found == nullptr ? none : *found;
  }
};

/// Events with eventTime are told by new clients: they have to say who acts.
void validate_new_event(const event_view& view, field_causes& out) {
  if (view.reporter().empty()) out.required("reportingController");
  out.invalid("reportingController", json::value(view.reporter()), check_qualified_name(view.reporter()));
  for (const auto& row : event_fields) {
    auto text = text_at(view.event, view.is_core ? row.core_name : row.new_name);
    std::string field{row.core_name};
    if (row.is_required && text.empty()) out.required(field);
    if (text.size() > row.most_bytes)
      out.invalid(field, "", "can have at most " + std::to_string(row.most_bytes) + " characters");
  }
}

void validate_any_event(const event_view& view, field_causes& out) {
  static const json::object none;
  const auto* metadata = object_at(view.event, "metadata");
  auto ns = text_at(metadata == nullptr ? none : *metadata, "namespace");
  auto about = text_at(view.about(), "namespace");
  bool is_new = has(view.event, "eventTime");
  bool fits = is_new          ? !about.empty() || ns == "default" || ns == "kube-system"
              : about.empty() ? ns.empty() || ns == "default"
                              : about == ns;
  // A file need not say in which namespace its event shall lie.
  if (!fits && !ns.empty())
    out.invalid("involvedObject.namespace", json::value(about), "does not match event.namespace");
  if (is_new) validate_new_event(view, out);
  if (!ns.empty()) out.invalid("namespace", json::value(ns), check_dns_subdomain(ns));
}

void validate_series(const json::object& event, field_causes& out) {
  const auto* series = object_at(event, "series");
  if (series == nullptr) return;
  if (int_at(*series, "count") < 2) out.invalid("series.count", "", "should be at least 2");
  if (!has(*series, "lastObservedTime")) out.required("series.lastObservedTime");
}

struct old_field {
  std::string_view name, shown;
};

// What events.k8s.io keeps of the core group's fields, and does not take.
constexpr old_field old_fields[] = {{"deprecatedFirstTimestamp", "firstTimestamp"},
                                    {"deprecatedLastTimestamp", "lastTimestamp"},
                                    {"deprecatedCount", "count"},
                                    {"deprecatedSource", "source"}};

struct fixed_field {
  std::string_view name, shown;
};

constexpr fixed_field fixed_fields[] = {
    {"regarding", "involvedObject"},
    {"reason", "reason"},
    {"note", "message"},
    {"deprecatedSource", "source"},
    {"deprecatedFirstTimestamp", "firstTimestamp"},
    {"deprecatedLastTimestamp", "lastTimestamp"},
    {"deprecatedCount", "count"},
    {"type", "type"},
    {"eventTime", "eventTime"},
    {"action", "action"},
    {"related", "related"},
    {"reportingController", "reportingController"},
    {"reportingInstance", "reportingInstance"},
};

} // namespace

void validate_node(const json::value& node, field_causes& out) {
  judged spec{part_of(node, "spec"), "spec", out};
  validate_taints(spec.object(), out);
  validate_node_resources(node, out);
  validate_pod_cidrs(spec);
}

void validate_node_update(const json::value& before, const json::value& after, field_causes& out) {
  judged old_spec{part_of(before, "spec"), "spec", out};
  judged new_spec{part_of(after, "spec"), "spec", out};
  const auto& addresses = list_at(part_of(after, "status"), "addresses");
  for (size_t i = 0; i < addresses.size(); ++i)
    if (std::find(addresses.begin(), addresses.begin() + static_cast<ptrdiff_t>(i), addresses[i])
        != addresses.begin() + static_cast<ptrdiff_t>(i)) {
      auto part = [&](std::string_view key) { return shown_value(json::value(text_at(addresses[i], key))); };
      out.duplicate_shown(join_path("status.addresses", i),
                          "core.NodeAddress{Type:" + part("type") + ", Address:" + part("address") + "}", {});
    }
  if (!old_spec.list("podCIDRs").empty() && old_spec.list("podCIDRs") != new_spec.list("podCIDRs"))
    new_spec.forbidden("podCIDRs", "node updates may not change podCIDR except from \"\" to valid");
  if (auto id = old_spec.text("providerID"); !id.empty() && id != new_spec.text("providerID"))
    new_spec.forbidden("providerID", "node updates may not change providerID except from \"\" to valid");
  if (old_spec.text("externalID") != new_spec.text("externalID"))
    new_spec.forbidden("externalID", "may not be updated");
}

void validate_event(const group_version_kind& gvk, const json::value& event, field_causes& out) {
  const auto* object = event.if_object();
  if (object == nullptr) return;
  bool is_core = gvk.group.empty();
  validate_any_event({*object, is_core}, out);
  // The old group takes any name that fits a path.
  validate_metadata(event, true, is_core ? check_path_segment : check_dns_subdomain, out);
  if (is_core) return;
  validate_series(*object, out);
  if (!has(*object, "eventTime")) out.required("eventTime");
  if (auto type = text_at(*object, "type"); type != "Normal" && type != "Warning")
    out.invalid("type", "", "has invalid value: " + std::string{type});
  for (const auto& row : old_fields) {
    const auto* value = object->if_contains(row.name);
    bool empty = value == nullptr || value->is_null() || *value == json::value(0)
                 || (value->is_object() && value->get_object().empty());
    if (!empty) out.invalid(std::string{row.shown}, "", "needs to be unset");
  }
}

void validate_event_update(const group_version_kind& gvk, const json::value& before, const json::value& after,
                           field_causes& out) {
  const auto* old_event = before.if_object();
  const auto* new_event = after.if_object();
  if (old_event == nullptr || new_event == nullptr) return;
  validate_any_event({*new_event, gvk.group.empty()}, out);
  validate_metadata_update(before, after, out);
  if (gvk.group.empty()) return;
  auto value = [](const json::object& event, std::string_view key) {
    const auto* found = event.if_contains(key);
    return found == nullptr ? json::value() : *found;
  };
  if (value(*old_event, "series") != value(*new_event, "series")) validate_series(*new_event, out);
  for (const auto& row : fixed_fields)
    if (auto now = value(*new_event, row.name); now != value(*old_event, row.name))
      out.invalid(std::string{row.shown}, now, "field is immutable");
}

} // namespace podium::config
