#include "api/patch.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <vector>

namespace podium::api {
namespace {

namespace json = boost::json;
using config::schema_field;
using config::schema_type;

constexpr std::string_view order_prefix = "$setElementOrder/";
constexpr std::string_view remove_prefix = "$deleteFromPrimitiveList/";

// Lists are searched item by item. Real ones are short; a body full of them must not keep the loop for
// minutes.
constexpr size_t max_comparisons = 20'000'000;

/// Carries the first mistake out of the recursion.
struct merger {
  caf::error error;
  size_t comparisons = 0;

  void fail(const std::string& what) {
    if (!error) error = make_error(errc::bad_request, what);
  }
  /// False, and a mistake, when `items` searched in lists of `length` would be too many.
  bool may_search(size_t items, size_t length) {
    comparisons += items * (length + 1);
    if (comparisons > max_comparisons && !error)
      error = make_error(errc::too_large, "the lists of the patch and the object are too long to be merged");
    return !error;
  }

  json::value merge(json::value original, const json::value& patch, const schema_type* type);
  void merge_object(json::object& target, const json::object& patch, const schema_type* type);
  void merge_field(json::object& target, std::string_view key, const json::value& value,
                   const json::object& patch, const schema_type* type);
  json::array merge_scalars(const json::array& original, const json::array& patch, const json::value* removed,
                            const json::value* order);
  json::array merge_items(json::array original, const json::array& patch, const schema_field& field,
                          const json::value* order);
};

std::string_view directive_of(const json::object& o) {
  auto* v = o.if_contains("$patch");
  return v && v->is_string() ? std::string_view{v->get_string()} : std::string_view{};
}

/// The place of `wanted` (a merge key's value) in a list of objects, or npos.
size_t find_item(const json::array& list, std::string_view merge_key, const json::value& wanted) {
  for (size_t i = 0; i < list.size(); ++i) {
    auto* o = list[i].if_object();
    auto* v = o ? o->if_contains(merge_key) : nullptr;
    if (v && *v == wanted) return i;
  }
  return std::string_view::npos;
}

/// The order of Kubernetes' merge: what the client ordered stands in its order; what only the server has
/// keeps its place relative to its neighbours.
template <class Rank>
json::array reorder(json::array merged, const json::array& server, const json::array& order, Rank rank) {
  struct item {
    size_t wanted, before; ///< its place in `order` and in `server`, or npos
    json::value* value;
  };
  std::vector<item> ordered, rest;
  for (auto& v : merged) {
    item i{rank(v, order), rank(v, server), &v};
    (i.wanted == std::string_view::npos ? rest : ordered).push_back(i);
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](auto& a, auto& b) { return a.wanted < b.wanted; });
  json::array out;
  size_t o = 0, r = 0;
  while (o < ordered.size() || r < rest.size()) {
    bool take_rest = o == ordered.size();
    if (!take_rest && r < rest.size())
      take_rest = ordered[o].before != std::string_view::npos && rest[r].before < ordered[o].before;
    out.push_back(std::move(*(take_rest ? rest[r++] : ordered[o++]).value));
  }
  return out;
}

size_t rank_scalar(const json::value& v, const json::array& list) {
  auto i = std::find(list.begin(), list.end(), v);
  return i == list.end() ? std::string_view::npos : static_cast<size_t>(i - list.begin());
}

json::value merger::merge(json::value original, const json::value& patch, const schema_type* type) {
  auto* changes = patch.if_object();
  if (!changes) return patch;
  auto directive = directive_of(*changes);
  if (directive == "delete") return json::object{};
  if (directive == "replace") {
    auto out = *changes;
    out.erase("$patch");
    return out;
  }
  if (!directive.empty() && directive != "merge") {
    fail("Unknown patch type found: " + std::string{directive} + " (expected: merge, replace or delete)");
    return original;
  }
  if (!original.is_object()) original = json::object{};
  merge_object(original.get_object(), *changes, type);
  return original;
}

void merger::merge_object(json::object& target, const json::object& patch, const schema_type* type) {
  if (auto* retain = patch.if_contains("$retainKeys"); retain && retain->is_array()) {
    if (!may_search(target.size(), retain->get_array().size())) return;
    std::vector<std::string> gone;
    for (auto& [key, value] : target)
      if (rank_scalar(json::value(key), retain->get_array()) == std::string_view::npos)
        gone.emplace_back(key);
    for (auto& key : gone)
      target.erase(key);
  }
  for (auto& [key, value] : patch) {
    std::string_view name = key;
    if (name == "$patch" || name == "$retainKeys") continue;
    if (name.starts_with(order_prefix) || name.starts_with(remove_prefix)) {
      // A list that is only ordered or thinned out.
      auto list = name.substr(name.find('/') + 1);
      if (!patch.contains(list) && target.contains(list) && target[list].is_array())
        merge_field(target, list, json::array{}, patch, type);
      continue;
    }
    merge_field(target, name, value, patch, type);
    if (error) return;
  }
}

void merger::merge_field(json::object& target, std::string_view key, const json::value& value,
                         const json::object& patch, const schema_type* type) {
  if (value.is_null()) {
    target.erase(key);
    return;
  }
  auto* field = type ? type->find(key).field : nullptr;
  if (value.is_object()) {
    auto* inner = field && field->shape == config::field_shape::single ? field->object : nullptr;
    auto& slot = target[key];
    if (field && field->has(config::f_replace)) slot = nullptr;
    slot = merge(std::move(slot), value, inner);
    return;
  }
  if (value.is_array() && field && field->has(config::f_merge)) {
    auto* order = patch.if_contains(std::string{order_prefix} + std::string{key});
    auto* removed = patch.if_contains(std::string{remove_prefix} + std::string{key});
    auto& slot = target[key];
    auto original = slot.is_array() ? std::move(slot.get_array()) : json::array{};
    if (field->merge_key.empty())
      slot = merge_scalars(original, value.get_array(), removed, order);
    else
      slot = merge_items(std::move(original), value.get_array(), *field, order);
    return;
  }
  target[key] = value;
}

json::array merger::merge_scalars(const json::array& original, const json::array& patch,
                                  const json::value* removed, const json::value* order) {
  json::array out;
  auto thinned = removed && removed->is_array() ? removed->get_array().size() : 0;
  if (!may_search(original.size(), thinned) || !may_search(patch.size(), original.size() + patch.size()))
    return out;
  for (auto& v : original)
    if (!removed || !removed->is_array() || rank_scalar(v, removed->get_array()) == std::string_view::npos)
      out.push_back(v);
  for (auto& v : patch)
    if (rank_scalar(v, out) == std::string_view::npos) out.push_back(v);
  if (!order || !order->is_array() || !may_search(out.size(), original.size() + order->get_array().size()))
    return out;
  return reorder(std::move(out), original, order->get_array(), rank_scalar);
}

json::array merger::merge_items(json::array original, const json::array& patch, const schema_field& field,
                                const json::value* order) {
  if (!may_search(patch.size(), original.size() + patch.size())) return original;
  auto server = original;
  bool replace = std::any_of(patch.begin(), patch.end(), [](auto& item) {
    return item.is_object() && directive_of(item.get_object()) == "replace";
  });
  if (replace) original.clear();
  for (auto& item : patch) {
    auto* o = item.if_object();
    if (!o) {
      fail("an item of " + std::string{field.name} + " is no object");
      return original;
    }
    if (directive_of(*o) == "replace") continue; // the mark alone, or an item that only marks
    auto* id = o->if_contains(field.merge_key);
    if (!id) {
      fail("an item of " + std::string{field.name}
           + " does not contain declared merge key: " + std::string{field.merge_key});
      return original;
    }
    auto at = find_item(original, field.merge_key, *id);
    if (directive_of(*o) == "delete") {
      if (at != std::string_view::npos) original.erase(original.begin() + static_cast<ptrdiff_t>(at));
      continue;
    }
    if (at == std::string_view::npos)
      original.push_back(merge(json::object{}, item, field.object));
    else
      original[at] = merge(std::move(original[at]), item, field.object);
  }
  if (!order || !order->is_array() || !may_search(original.size(), server.size() + order->get_array().size()))
    return original;
  auto rank = [&](const json::value& v, const json::array& list) {
    auto* o = v.if_object();
    auto* id = o ? o->if_contains(field.merge_key) : nullptr;
    return id ? find_item(list, field.merge_key, *id) : std::string_view::npos;
  };
  return reorder(std::move(original), server, order->get_array(), rank);
}

} // namespace

caf::expected<json::value> strategic_merge_patch(json::value original, const json::value& patch,
                                                 const schema_type* type) {
  if (!patch.is_object()) return make_error(errc::bad_request, "a strategic merge patch is an object");
  merger m;
  auto out = m.merge(std::move(original), patch, type);
  if (m.error) return m.error;
  return out;
}

} // namespace podium::api
