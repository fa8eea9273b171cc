#include "config/field_set.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

namespace podium::config {
namespace {

constexpr std::string_view prefixes = "fkvi"; // in the order of path_element::kind

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// JSON texts of one shape (the same keys, or scalars): text by its bytes, numbers by their value.
int compare_json(std::string_view a, std::string_view b) {
  size_t at = 0;
  bool quoted = false;
  for (; at < a.size() && at < b.size() && a[at] == b[at]; ++at)
    if (a[at] == '"' && (at == 0 || a[at - 1] != '\\')) quoted = !quoted;
  if (!quoted) {
    auto digits = [at](std::string_view text) {
      auto end = at;
      while (end < text.size() && is_digit(text[end]))
        ++end;
      return end - at;
    };
    if (auto x = digits(a), y = digits(b); x != y) return x < y ? -1 : 1;
  }
  auto order = a.substr(at).compare(b.substr(at));
  return order < 0 ? -1 : order > 0;
}

/// {"protocol":"TCP","containerPort":80} with its keys sorted; nothing if it is no object of scalars.
std::optional<std::string> sorted_keys(const json::value& keys) {
  auto* object = keys.if_object();
  if (!object || object->empty()) return {};
  std::map<std::string_view, const json::value*> sorted;
  for (auto& [key, value] : *object)
    if (value.is_structured())
      return {};
    else
      sorted[key] = &value;
  json::object out;
  for (auto& [key, value] : sorted)
    out[key] = *value;
  return json::serialize(out);
}

/// What a step of FieldsV1 means; nothing for what is broken. `known` is false for kinds of other versions.
std::optional<path_element> parse_element(std::string_view text, bool& known) {
  known = true;
  if (text.size() < 2 || text[1] != ':') return {};
  auto at = prefixes.find(text[0]);
  auto rest = text.substr(2);
  if (at == std::string_view::npos) {
    known = false;
    return path_element{};
  }
  auto what = static_cast<path_element::kind>(at);
  if (what == path_element::kind::field) return field_element(rest);
  boost::system::error_code ec;
  auto value = json::parse(rest, ec);
  if (ec) return {};
  if (what == path_element::kind::key) {
    auto keys = sorted_keys(value);
    if (!keys) return {};
    return path_element{what, std::move(*keys)};
  }
  if (value.is_structured() || (what == path_element::kind::index && !value.is_int64())) return {};
  return path_element{what, json::serialize(value)};
}

caf::error broken(const std::string& what) {
  return make_error(errc::bad_request, "error decoding managed fields: " + what);
}

void walk_paths(const field_set& set, const std::string& prefix,
                const std::function<void(const std::string&)>& f) {
  for (auto& [element, child] : set.children)
    if (child.owned) f(prefix + element.to_string());
  for (auto& [element, child] : set.children)
    if (!child.children.empty()) walk_paths(child, prefix + element.to_string(), f);
}

} // namespace

bool operator<(const path_element& a, const path_element& b) {
  if (a.what != b.what) return a.what < b.what;
  return a.what == path_element::kind::field ? a.text < b.text : compare_json(a.text, b.text) < 0;
}

std::string path_element::to_string() const {
  switch (what) {
  case kind::field:
    return "." + text;
  case kind::value:
    return "[=" + text + "]";
  case kind::index:
    return "[" + text + "]";
  case kind::key:
    break;
  }
  std::string out;
  boost::system::error_code ec;
  auto keys = json::parse(text, ec);
  if (auto* object = keys.if_object())
    for (auto& [key, value] : *object)
      out += (out.empty() ? "" : ",") + std::string{key} + "=" + json::serialize(value);
  return "[" + out + "]";
}

std::string path_element::to_fields_v1() const {
  return std::string{prefixes[static_cast<size_t>(what)]} + ":" + text;
}

const field_set* field_set::find(const path_element& element) const {
  auto it = children.find(element);
  return it == children.end() ? nullptr : &it->second;
}

void field_set::insert(const std::vector<path_element>& path) {
  auto* at = this;
  for (auto& element : path)
    at = &at->children[element];
  at->owned = true;
}

bool operator==(const field_set& a, const field_set& b) {
  return a.owned == b.owned && a.children == b.children;
}

field_set make_field_set(std::initializer_list<std::string_view> paths) {
  field_set out;
  for (auto path : paths) {
    std::vector<path_element> steps;
    for (size_t from = 0; from <= path.size();) {
      auto dot = std::min(path.find('.', from), path.size());
      steps.push_back(field_element(path.substr(from, dot - from)));
      from = dot + 1;
    }
    out.insert(steps);
  }
  return out;
}

void unite(field_set& into, const field_set& other) {
  into.owned = into.owned || other.owned;
  for (auto& [element, child] : other.children)
    unite(into.children[element], child);
}

field_set intersect(const field_set& a, const field_set& b) {
  field_set out;
  out.owned = a.owned && b.owned;
  for (auto& [element, child] : a.children)
    if (auto* same = b.find(element))
      if (auto both = intersect(child, *same); !both.empty())
        out.children.emplace_hint(out.children.end(), element, std::move(both));
  return out;
}

namespace {

/// Takes the children of `b` out of those of `a`, by `rest_of` for those that both have.
template <class RestOf>
void thin_out(field_set& a, const field_set& b, RestOf rest_of) {
  for (auto& [element, other] : b.children) {
    auto it = a.children.find(element);
    if (it == a.children.end()) continue;
    it->second = rest_of(std::move(it->second), other);
    if (it->second.empty()) a.children.erase(it);
  }
}

} // namespace

field_set subtract(field_set a, const field_set& b) {
  a.owned = a.owned && !b.owned;
  thin_out(a, b, subtract);
  return a;
}

field_set subtract_trees(field_set a, const field_set& b) {
  if (b.owned) return {};
  thin_out(a, b, subtract_trees);
  return a;
}

void each_path(const field_set& set, const std::function<void(const std::string& path)>& f) {
  walk_paths(set, "", f);
}

json::object to_fields_v1(const field_set& set) {
  json::object out;
  if (set.owned && !set.children.empty()) out["."] = json::object{};
  for (auto& [element, child] : set.children)
    out[element.to_fields_v1()] = to_fields_v1(child);
  return out;
}

caf::expected<field_set> parse_fields_v1(const json::value& fields) {
  field_set out;
  auto* object = fields.if_object();
  if (!object) return broken("an object is expected");
  for (auto& [key, value] : *object) {
    auto* below = value.if_object();
    if (!below) return broken("an object is expected at \"" + std::string{key} + "\"");
    if (key == ".") {
      out.owned = true;
      continue;
    }
    bool known = false;
    auto element = parse_element(key, known);
    if (!element) return broken("\"" + std::string{key} + "\" is no step of a path");
    if (!known) continue;
    auto child = parse_fields_v1(value);
    if (!child) return child;
    if (below->empty()) child->owned = true;
    if (!child->empty()) unite(out.children[*element], *child);
  }
  return out;
}

} // namespace podium::config
