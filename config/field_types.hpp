// Steps through a document by the schema, for field_walk and what lies beside it. Internal to config/.
#pragma once
#include "config/field_walk.hpp"

namespace podium::config {

/// The type of a member; `declared` tells whether the schema names it (members of maps are not named).
value_type member_type(const value_type& type, std::string_view key, bool& declared);

/// The type of a list's items.
value_type item_type(const value_type& type);

/// What an item of a list is known by, or why it cannot be one.
caf::expected<path_element> element_of(const value_type& list, const json::value& item);

/// The items of a list by what they are known by. Items that are known by nothing count as their place.
struct list_items {
  list_items(const json::array& list, const value_type& type);
  std::vector<std::pair<path_element, const json::value*>> in_order;
  std::map<path_element, std::vector<const json::value*>> by_element;
};

} // namespace podium::config
