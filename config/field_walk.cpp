#include "config/field_walk.hpp"

#include "config/field_types.hpp"
#include "config/json_access.hpp"

#include <algorithm>

namespace podium::config {
namespace {

bool is_empty(const json::value* v) {
  if (!v || v->is_null()) return true;
  auto* object = v->if_object();
  auto* array = v->if_array();
  return (object && object->empty()) || (array && array->empty());
}

void collect(const json::value& v, const value_type& type, field_set& at);

void collect_members(const json::object& object, const value_type& type, field_set& at) {
  for (auto& [key, member] : object) {
    bool declared = false;
    auto inner = member_type(type, key, declared);
    field_set below;
    collect(member, inner, below);
    if (!declared || member.is_null() || (member.is_object() && member.get_object().empty()))
      below.owned = true;
    if (!below.empty()) at.children[field_element(key)] = std::move(below);
  }
}

void collect_items(const json::array& list, const value_type& type, field_set& at) {
  for (auto& [element, values] : list_items{list, type}.by_element) {
    auto& below = at.children[element];
    below.owned = true;
    // Items that have one key among them are owned together.
    if (values.size() == 1) collect(*values.front(), item_type(type), below);
  }
}

void collect(const json::value& v, const value_type& type, field_set& at) {
  switch (ownership_of(type)) {
  case ownership::leaf:
    at.owned = true;
    break;
  case ownership::record:
  case ownership::map:
    if (auto* object = v.if_object()) collect_members(*object, type, at);
    break;
  case ownership::set:
  case ownership::list:
    if (auto* list = v.if_array()) collect_items(*list, type, at);
  }
}

/// Walks two documents at once; null pointers are values that are not there.
class comparer {
public:
  comparison out;

  void walk(const json::value* a, const json::value* b, const value_type& type) {
    auto how = ownership_of(type);
    // An empty value is told from none: it is a field of its own.
    if (how == ownership::leaf || (is_empty(a) && is_empty(b))) return leaf(a, b);
    if (how == ownership::record || how == ownership::map)
      members(a ? a->if_object() : nullptr, b ? b->if_object() : nullptr, type);
    else
      items(a ? a->if_array() : nullptr, b ? b->if_array() : nullptr, type);
    if (!a) out.added.insert(path_);
    if (!b) out.removed.insert(path_);
  }

private:
  void leaf(const json::value* a, const json::value* b) {
    if (!a)
      out.added.insert(path_);
    else if (!b)
      out.removed.insert(path_);
    else if (*a != *b)
      out.modified.insert(path_);
  }

  void step(path_element element, const json::value* a, const json::value* b, const value_type& type) {
    path_.push_back(std::move(element));
    walk(a, b, type);
    path_.pop_back();
  }

  void members(const json::object* a, const json::object* b, const value_type& type) {
    bool declared = false;
    if (a)
      for (auto& [key, value] : *a)
        step(field_element(key), &value, b ? b->if_contains(key) : nullptr, member_type(type, key, declared));
    if (b)
      for (auto& [key, value] : *b)
        if (!a || !a->contains(key))
          step(field_element(key), nullptr, &value, member_type(type, key, declared));
  }

  void items(const json::array* a, const json::array* b, const value_type& type) {
    static const json::array none;
    static const std::vector<const json::value*> no_items;
    const list_items before{a ? *a : none, type}, after{b ? *b : none, type};
    for (auto& [element, old] : before.by_element) {
      auto it = after.by_element.find(element);
      item(element, old, it == after.by_element.end() ? no_items : it->second, type);
    }
    for (auto& [element, fresh] : after.by_element)
      if (!before.by_element.contains(element)) item(element, no_items, fresh, type);
  }

  /// The items of one key. Several are one field: they come and go together.
  void item(const path_element& element, const std::vector<const json::value*>& old,
            const std::vector<const json::value*>& fresh, const value_type& type) {
    if (old.size() <= 1 && fresh.size() <= 1)
      return step(element, old.empty() ? nullptr : old.front(), fresh.empty() ? nullptr : fresh.front(),
                  item_type(type));
    auto path = path_;
    path.push_back(element);
    if (old.size() >= 2 && fresh.size() >= 2) {
      auto same = std::equal(old.begin(), old.end(), fresh.begin(), fresh.end(),
                             [](auto* x, auto* y) { return *x == *y; });
      if (!same) out.modified.insert(path);
    } else if (old.size() >= 2) {
      if (!fresh.empty()) step(element, nullptr, fresh.front(), item_type(type));
      out.removed.insert(path);
    } else {
      if (!old.empty()) step(element, old.front(), nullptr, item_type(type));
      out.added.insert(path);
    }
  }

  std::vector<path_element> path_;
};

json::value merged(const json::value* live, const json::value& given, const value_type& type);

json::value merged_members(const json::object* live, const json::object& given, const value_type& type) {
  json::object out = live ? *live : json::object{};
  for (auto& [key, value] : given) {
    bool declared = false;
    auto inner = member_type(type, key, declared);
    auto next = merged(live ? live->if_contains(key) : nullptr, value, inner);
    out[key] = std::move(next);
  }
  return out;
}

/// The live list's items and the given ones in one order, which is Kubernetes': given items keep theirs among
/// each other, live ones that are not given stay before the items that follow them now.
json::value merged_items(const json::array* live, const json::array& given, const value_type& type) {
  static const json::array none;
  const list_items old{live ? *live : none, type}, fresh{given, type};
  json::array out;
  size_t next = 0;
  // The next given item that is live already; what is given before it goes in with it.
  auto shared_from = [&](size_t at) {
    while (at < fresh.in_order.size() && !old.by_element.contains(fresh.in_order[at].first))
      ++at;
    return at;
  };
  auto emit_given_to = [&](size_t end) {
    for (; next < end; ++next) {
      auto& [element, value] = fresh.in_order[next];
      auto it = old.by_element.find(element);
      bool alone = it != old.by_element.end() && it->second.size() == 1;
      out.push_back(merged(alone ? it->second.front() : nullptr, *value, item_type(type)));
    }
  };
  auto shared = shared_from(0);
  for (auto& [element, value] : old.in_order) {
    if (!fresh.by_element.contains(element)) {
      out.push_back(*value);
    } else if (shared < fresh.in_order.size() && fresh.in_order[shared].first == element) {
      emit_given_to(shared + 1);
      shared = shared_from(next);
    }
  }
  emit_given_to(fresh.in_order.size());
  return out;
}

json::value merged(const json::value* live, const json::value& given, const value_type& type) {
  switch (ownership_of(type)) {
  case ownership::leaf:
    return given;
  case ownership::record:
  case ownership::map:
    if (given.is_null() && live) return *live;
    return given.is_object() ? merged_members(live ? live->if_object() : nullptr, given.get_object(), type)
                             : given;
  default:
    if (given.is_null() && live) return *live;
    return given.is_array() ? merged_items(live ? live->if_array() : nullptr, given.get_array(), type)
                            : given;
  }
}

json::value without(const json::value& v, const field_set& set, const value_type& type) {
  auto how = ownership_of(type);
  if (how == ownership::leaf) return v;
  if (auto* object = v.if_object()) {
    json::object out;
    for (auto& [key, member] : *object) {
      auto* below = set.find(field_element(key));
      if (below && below->owned) continue;
      bool declared = false;
      out[key] = below ? without(member, *below, member_type(type, key, declared)) : member;
    }
    return out.empty() ? json::value() : json::value(std::move(out)); // braces would make a list
  }
  if (auto* list = v.if_array()) {
    json::array out;
    for (auto& [element, item] : list_items{*list, type}.in_order) {
      auto* below = set.find(element);
      if (below && below->owned) continue;
      out.push_back(below ? without(*item, *below, item_type(type)) : *item);
    }
    return out.empty() ? json::value() : json::value(std::move(out)); // braces would make a list
  }
  return v;
}

void add_named(field_set& set, const value_type& type) {
  auto how = ownership_of(type);
  for (auto& [element, child] : set.children) {
    bool declared = false;
    if (element.what == path_element::kind::field) {
      auto inner = member_type(type, element.text, declared);
      if (how == ownership::record && declared) child.owned = true;
      add_named(child, inner);
    } else {
      add_named(child, item_type(type));
    }
  }
}

} // namespace

field_set fields_of(const json::value& document, const schema_type& type) {
  field_set out;
  collect(document, document_type(type), out);
  return out;
}

comparison compare(const json::value& before, const json::value& after, const schema_type& type) {
  comparer c;
  c.walk(&before, &after, document_type(type));
  return std::move(c.out);
}

json::value merge_applied(const json::value& live, const json::value& configuration,
                          const schema_type& type) {
  return merged(&live, configuration, document_type(type));
}

json::value remove_fields(const json::value& document, const field_set& set, const schema_type& type) {
  return without(document, set, document_type(type));
}

field_set with_named_fields(const field_set& set, const schema_type& type) {
  auto out = set;
  add_named(out, document_type(type));
  return out;
}

} // namespace podium::config
