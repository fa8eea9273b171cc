// Validation of what the scheduler reads: tolerations, taints, affinity, topology spread.
#include "config/judged.hpp"
#include "config/validate_kinds.hpp"

namespace podium::config {
namespace {

const words effects{"NoSchedule", "PreferNoSchedule", "NoExecute"};

std::string joined(const format_problems& problems) {
  std::string out;
  for (const auto& problem : problems)
    out += (out.empty() ? "" : ";") + problem;
  return out;
}

/// A toleration as Go prints the struct; one with seconds as JSON, for Go prints a pointer's address there.
std::string shown_toleration(const judged& t) {
  if (t.has("tolerationSeconds")) return shown_value(json::value(t.object()));
  auto part = [&](std::string_view key) { return shown_value(json::value(t.text(key))); };
  return "core.Toleration{Key:" + part("key") + ", Operator:" + part("operator") + ", Value:" + part("value")
         + ", Effect:" + part("effect") + ", TolerationSeconds:(*int64)(nil)}";
}

void validate_toleration(const judged& t) {
  auto op = t.text("operator");
  t.format("key", check_qualified_name);
  if (t.text("key").empty() && op != "Exists")
    t.out().invalid(t.at("operator"), json::value(op),
                    "operator must be Exists when `key` is empty, which means \"match all values and all "
                    "keys\"");
  if (t.has("tolerationSeconds") && t.text("effect") != "NoExecute")
    t.out().invalid(t.at("effect"), json::value(t.text("effect")),
                    "effect must be 'NoExecute' when `tolerationSeconds` is set");
  auto value = t.text("value");
  if (op.empty() || op == "Equal") {
    if (auto problems = check_label_value(value); !problems.empty())
      t.out().invalid(t.at("operator"), json::value(value), joined(problems));
  } else if (op == "Exists") {
    if (!value.empty())
      t.out().invalid_shown(t.at("operator"), shown_toleration(t),
                            "value must be empty when `operator` is 'Exists'");
  } else {
    t.out().not_supported(t.at("operator"), op, {"Equal", "Exists"});
  }
  if (!t.text("effect").empty()) t.choice("effect", effects);
}

void validate_requirement(const judged& rule) {
  auto op = rule.text("operator");
  const auto& values = rule.list("values");
  if (op == "In" || op == "NotIn") {
    if (values.empty())
      rule.out().required(rule.at("values"), "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (!values.empty())
      rule.forbidden("values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  } else if (op == "Gt" || op == "Lt") {
    if (values.size() != 1)
      rule.out().required(rule.at("values"),
                          "must be specified single value when `operator` is 'Lt' or 'Gt'");
  } else {
    rule.out().invalid(rule.at("operator"), json::value(op), "not a valid selector operator");
  }
  rule.out().invalid(rule.at("key"), json::value(rule.text("key")), check_qualified_name(rule.text("key")));
}

void validate_field_requirement(const judged& rule) {
  auto op = rule.text("operator");
  if (op != "In" && op != "NotIn")
    rule.out().invalid(rule.at("operator"), json::value(op), "not a valid selector operator");
  else if (rule.list("values").size() != 1)
    rule.out().required(rule.at("values"),
                        "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
  if (rule.text("key") != "metadata.name") {
    rule.out().invalid(rule.at("key"), json::value(rule.text("key")), "not a valid field selector key");
    return;
  }
  rule.each_text("values", [&](std::string_view value, const std::string& path) {
    rule.out().invalid(path, json::value(value), check_dns_subdomain(value));
  });
}

void validate_term(const judged& term) {
  term.each("matchExpressions", [](const judged& rule, size_t) { validate_requirement(rule); });
  term.each("matchFields", [](const judged& rule, size_t) { validate_field_requirement(rule); });
}

void validate_weight(const judged& term) {
  if (auto weight = term.number("weight"); weight < 1 || weight > 100)
    term.out().invalid(term.at("weight"), weight, "must be in the range 1-100");
}

void validate_node_affinity(const judged& affinity) {
  affinity.with("requiredDuringSchedulingIgnoredDuringExecution", validate_node_selector);
  affinity.each("preferredDuringSchedulingIgnoredDuringExecution", [](const judged& preferred, size_t) {
    validate_weight(preferred);
    preferred.with("preference", validate_term);
  });
}

/// matchLabelKeys and mismatchLabelKeys of a pod affinity term.
void validate_label_keys(const judged& term) {
  for (auto key : {"matchLabelKeys", "mismatchLabelKeys"}) {
    if (term.list(key).empty()) continue;
    if (!term.has("labelSelector"))
      term.forbidden(key, "must not be specified when labelSelector is not set");
    else
      term.each_text(key, [&](std::string_view name, const std::string& path) {
        term.out().invalid(path, json::value(name), check_qualified_name(name));
      });
  }
  const auto& others = term.list("mismatchLabelKeys");
  term.each_text("matchLabelKeys", [&](std::string_view name, const std::string& path) {
    if (std::find(others.begin(), others.end(), json::value(name)) != others.end())
      term.out().invalid(path, json::value(name), "exists in both matchLabelKeys and mismatchLabelKeys");
  });
}

void validate_pod_term(const judged& term) {
  term.with("labelSelector", validate_label_selector);
  term.with("namespaceSelector", validate_label_selector);
  term.each_text("namespaces", [&](std::string_view name, const std::string&) {
    term.out().invalid(term.at("namespace"), json::value(name), check_dns_label(name));
  });
  validate_label_keys(term);
  term.needs("topologyKey", "can not be empty");
  auto key = term.text("topologyKey");
  term.out().invalid(term.at("topologyKey"), json::value(key), check_qualified_name(key));
}

void validate_pod_affinity(const judged& affinity) {
  affinity.each("requiredDuringSchedulingIgnoredDuringExecution",
                [](const judged& term, size_t) { validate_pod_term(term); });
  affinity.each("preferredDuringSchedulingIgnoredDuringExecution", [](const judged& preferred, size_t) {
    validate_weight(preferred);
    static const json::object none;
    const auto* term = object_at(preferred.object(), "podAffinityTerm");
    validate_pod_term({term == nullptr ? none : *term, preferred.at("podAffinityTerm"), preferred.out()});
  });
}

bool selector_names(const judged& constraint, std::string_view key) {
  const auto* selector = object_at(constraint.object(), "labelSelector");
  if (selector == nullptr) return false;
  if (const auto* labels = object_at(*selector, "matchLabels"); labels != nullptr && labels->contains(key))
    return true;
  const auto& rules = list_at(*selector, "matchExpressions");
  return std::any_of(rules.begin(), rules.end(), [&](auto& rule) { return text_at(rule, "key") == key; });
}

void validate_constraint(const judged& c, const json::array& all, size_t index) {
  if (c.number("maxSkew") <= 0)
    c.out().invalid(c.at("maxSkew"), c.number("maxSkew"), "must be greater than zero");
  c.needs("topologyKey", "can not be empty");
  auto when = c.text("whenUnsatisfiable");
  if (when != "DoNotSchedule" && when != "ScheduleAnyway")
    c.out().not_supported(c.at("whenUnsatisfiable"), when, {"DoNotSchedule", "ScheduleAnyway"});
  for (size_t i = index + 1; i < all.size(); ++i)
    if (text_at(all[i], "topologyKey") == c.text("topologyKey")
        && text_at(all[i], "whenUnsatisfiable") == when) {
      auto pair = "{" + std::string{c.text("topologyKey")} + ", " + std::string{when} + "}";
      c.out().duplicate(c.at("{topologyKey, whenUnsatisfiable}"), json::value(pair));
      break;
    }
  if (c.has("minDomains")) {
    if (c.number("minDomains") <= 0) c.invalid("minDomains", "must be greater than zero");
    if (when != "DoNotSchedule")
      c.invalid("minDomains",
                "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not " + std::string{when});
  }
  for (auto key : {"nodeAffinityPolicy", "nodeTaintsPolicy"})
    c.choice(key, {"Honor", "Ignore"});
  if (!c.list("matchLabelKeys").empty() && !c.has("labelSelector"))
    c.forbidden("matchLabelKeys", "must not be specified when labelSelector is not set");
  c.each_text("matchLabelKeys", [&](std::string_view key, const std::string& path) {
    c.out().invalid(path, json::value(key), check_qualified_name(key));
    if (selector_names(c, key))
      c.out().invalid(path, json::value(key), "exists in both matchLabelKeys and labelSelector");
  });
  c.with("labelSelector", validate_label_selector);
}

} // namespace

void validate_node_selector(const judged& selector) {
  if (selector.list("nodeSelectorTerms").empty())
    selector.out().required(selector.at("nodeSelectorTerms"), "must have at least one node selector term");
  selector.each("nodeSelectorTerms", [](const judged& term, size_t) { validate_term(term); });
}

void validate_tolerations(const judged& spec) {
  spec.each("tolerations", [](const judged& t, size_t) { validate_toleration(t); });
}

void validate_affinity(const judged& spec) {
  spec.with("affinity", [](const judged& affinity) {
    affinity.with("nodeAffinity", validate_node_affinity);
    affinity.with("podAffinity", validate_pod_affinity);
    affinity.with("podAntiAffinity", validate_pod_affinity);
  });
}

void validate_topology_spread(const judged& spec) {
  spec.each("topologySpreadConstraints", [&](const judged& c, size_t i) {
    validate_constraint(c, spec.list("topologySpreadConstraints"), i);
  });
}

// Kubernetes gives the path of a taint as if it lay in metadata.
void validate_taints(const json::object& node_spec, field_causes& out) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  const auto& taints = list_at(node_spec, "taints");
  for (size_t i = 0; i < taints.size(); ++i) {
    const auto* object = taints[i].if_object();
    if (object == nullptr) continue;
    judged taint{*object, join_path("metadata.taints", i), out};
    auto key = taint.text("key");
    auto effect = taint.text("effect");
    out.invalid(taint.at("key"), json::value(key), check_qualified_name(key));
    if (auto problems = check_label_value(taint.text("value")); !problems.empty())
      out.invalid(taint.at("value"), json::value(taint.text("value")), joined(problems));
    taint.choice("effect", effects, true);
    if (!seen.insert({key, effect}).second) {
      auto part = [&](std::string_view name) { return shown_value(json::value(taint.text(name))); };
      out.duplicate_shown(taint.path(),
                          "core.Taint{Key:" + part("key") + ", Value:" + part("value")
                              + ", Effect:" + part("effect") + ", TimeAdded:<nil>}",
                          "taints must be unique by key and effect pair");
    }
  }
}

} // namespace podium::config
