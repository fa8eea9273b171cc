#include "actors/node_affinity.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace podium::placement {
namespace {

namespace json = boost::json;

const json::value* field(const json::value* v, std::string_view name) {
  auto* o = v ? v->if_object() : nullptr;
  return o ? o->if_contains(name) : nullptr;
}

template <class Each>
void each(const json::value* list, Each visit) {
  if (auto* a = list ? list->if_array() : nullptr)
    for (auto& item : *a)
      visit(item);
}

std::string text(const json::value* v) {
  auto* s = v ? v->if_string() : nullptr;
  return s ? std::string{s->c_str(), s->size()} : std::string{};
}

node_requirement::op op_of(const std::string& name) {
  using op = node_requirement::op;
  static const std::map<std::string, op> ops{{"In", op::in},         {"NotIn", op::not_in},
                                             {"Exists", op::exists}, {"DoesNotExist", op::does_not_exist},
                                             {"Gt", op::gt},         {"Lt", op::lt}};
  auto i = ops.find(name);
  return i == ops.end() ? op::never : i->second;
}

std::vector<node_requirement> requirements(const json::value* list) {
  std::vector<node_requirement> out;
  each(list, [&](const json::value& item) {
    auto& r = out.emplace_back();
    r.key = text(field(&item, "key"));
    r.what = op_of(text(field(&item, "operator")));
    each(field(&item, "values"), [&](const json::value& v) { r.values.push_back(text(&v)); });
  });
  return out;
}

std::optional<int64_t> number(const std::string& s) {
  int64_t n = 0;
  auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), n);
  if (ec != std::errc{} || end != s.data() + s.size()) return {};
  return n;
}

node_affinity required_by(const json::value* selector) {
  node_affinity out;
  if (!selector || !selector->is_object()) return out;
  out.required = true;
  each(field(selector, "nodeSelectorTerms"), [&](const json::value& term) {
    out.terms.push_back(
        {requirements(field(&term, "matchExpressions")), requirements(field(&term, "matchFields"))});
  });
  return out;
}

} // namespace

bool node_requirement::met_by(const std::string* value) const {
  auto listed = [&] { return std::find(values.begin(), values.end(), *value) != values.end(); };
  switch (what) {
  case op::in:
    return value && listed();
  case op::not_in:
    return !value || !listed();
  case op::exists:
    return value;
  case op::does_not_exist:
    return !value;
  case op::gt:
  case op::lt: {
    if (!value || values.size() != 1) return false;
    auto has = number(*value), bound = number(values.front());
    if (!has || !bound) return false;
    return what == op::gt ? *has > *bound : *has < *bound;
  }
  case op::never:
    break;
  }
  return false;
}

bool node_term::matches(const std::string& name,
                        const std::map<std::string, std::string>& node_labels) const {
  if (labels.empty() && fields.empty()) return false;
  auto label_met = [&](const node_requirement& r) {
    auto i = node_labels.find(r.key);
    return r.met_by(i == node_labels.end() ? nullptr : &i->second);
  };
  // The one field there is.
  auto field_met = [&](const node_requirement& r) {
    return r.met_by(r.key == "metadata.name" ? &name : nullptr);
  };
  return std::all_of(labels.begin(), labels.end(), label_met)
         && std::all_of(fields.begin(), fields.end(), field_met);
}

bool node_affinity::matches(const std::string& name,
                            const std::map<std::string, std::string>& node_labels) const {
  return !required
         || std::any_of(terms.begin(), terms.end(), [&](auto& t) { return t.matches(name, node_labels); });
}

node_affinity node_affinity_of(const json::value& pod) {
  auto* affinity = field(field(field(&pod, "spec"), "affinity"), "nodeAffinity");
  return required_by(field(affinity, "requiredDuringSchedulingIgnoredDuringExecution"));
}

node_affinity volume_affinity_of(const json::value& affinity) {
  return required_by(field(&affinity, "required"));
}

bool is_gated(const json::value& pod) {
  auto* gates = field(field(&pod, "spec"), "schedulingGates");
  auto* list = gates ? gates->if_array() : nullptr;
  return list && !list->empty();
}

} // namespace podium::placement
