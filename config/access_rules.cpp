#include "config/access_rules.hpp"

namespace podium::config {
namespace {

namespace json = boost::json;

using texts = std::vector<std::string>;

struct rule_field {
  std::string_view name;
  texts access_rule::*target;
};

constexpr rule_field fields[] = {
    {"users", &access_rule::users},           {"groups", &access_rule::groups},
    {"verbs", &access_rule::verbs},           {"apiGroups", &access_rule::api_groups},
    {"resources", &access_rule::resources},   {"resourceNames", &access_rule::resource_names},
    {"namespaces", &access_rule::namespaces}, {"nonResourceURLs", &access_rule::non_resource_urls},
};

std::string place(size_t index) {
  return "rule " + std::to_string(index + 1) + ": ";
}

std::string read_texts(const json::value& value, std::string_view name, texts& out) {
  auto* list = value.if_array();
  if (!list) return std::string{name} + " must be a list of texts";
  for (auto& item : *list) {
    auto* text = item.if_string();
    if (!text) return std::string{name} + " must be a list of texts (quote what reads as something else)";
    out.emplace_back(*text);
  }
  return {};
}

std::string read_rule(const json::value& value, access_rule& out) {
  auto* object = value.if_object();
  if (!object) return "a rule is a map";
  for (auto& [key, item] : *object) {
    const rule_field* found = nullptr;
    for (auto& field : fields)
      if (field.name == key) found = &field;
    if (!found)
      return "there is no " + std::string{key}
             + " (a rule has users, groups, verbs, apiGroups, resources, resourceNames, namespaces, "
               "nonResourceURLs)";
    if (auto problem = read_texts(item, key, out.*found->target); !problem.empty()) return problem;
  }
  return {};
}

std::string check_rule(const access_rule& rule) {
  if (rule.users.empty() && rule.groups.empty()) return "users or groups must say for whom it is";
  if (rule.verbs.empty()) return "verbs must not be empty";
  bool about_paths = !rule.non_resource_urls.empty();
  bool about_resources = !rule.resources.empty() || !rule.api_groups.empty();
  if (about_paths && (about_resources || !rule.namespaces.empty() || !rule.resource_names.empty()))
    return "it is about resources or about nonResourceURLs, not both";
  if (!about_paths && (rule.resources.empty() || rule.api_groups.empty()))
    return "apiGroups and resources must be given (the core group is \"\"), or nonResourceURLs";
  return {};
}

} // namespace

std::string read_access_rules(const json::value& value, std::vector<access_rule>& out) {
  auto* list = value.if_array();
  if (!list) return "must be a list of rules";
  for (size_t i = 0; i < list->size(); ++i)
    if (auto problem = read_rule((*list)[i], out.emplace_back()); !problem.empty()) return place(i) + problem;
  return {};
}

std::string check_access_rules(const std::vector<access_rule>& rules) {
  for (size_t i = 0; i < rules.size(); ++i)
    if (auto problem = check_rule(rules[i]); !problem.empty()) return place(i) + problem;
  return {};
}

} // namespace podium::config
