// Short words for looking into JSON documents whose shape the decoder has already checked.
#pragma once
#include <boost/json.hpp>
#include <cstdint>
#include <string_view>

namespace podium::config {

namespace json = boost::json;

/// The member `key` of `value`, or null if `value` is no object or has none.
inline const json::value* member(const json::value& value, std::string_view key) {
  const auto* object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(key);
}

inline const json::value* member(const json::object& object, std::string_view key) {
  return object.if_contains(key);
}

/// The object at `key`, or null.
template <class Container>
const json::object* object_at(const Container& in, std::string_view key) {
  const auto* value = member(in, key);
  return value == nullptr ? nullptr : value->if_object();
}

/// The list at `key`; an empty one if there is none.
template <class Container>
const json::array& list_at(const Container& in, std::string_view key) {
  static const json::array none;
  const auto* value = member(in, key);
  const auto* list = value == nullptr ? nullptr : value->if_array();
  return list == nullptr ? none : *list;
}

/// The text at `key`; empty if there is none.
template <class Container>
std::string_view text_at(const Container& in, std::string_view key) {
  const auto* value = member(in, key);
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string_view{} : std::string_view{*text};
}

/// The integer at `key`, or `otherwise`.
template <class Container>
int64_t int_at(const Container& in, std::string_view key, int64_t otherwise = 0) {
  const auto* value = member(in, key);
  const auto* number = value == nullptr ? nullptr : value->if_int64();
  return number == nullptr ? otherwise : *number;
}

/// The boolean at `key`, or `otherwise`.
template <class Container>
bool bool_at(const Container& in, std::string_view key, bool otherwise = false) {
  const auto* value = member(in, key);
  const auto* flag = value == nullptr ? nullptr : value->if_bool();
  return flag == nullptr ? otherwise : *flag;
}

template <class Container>
bool has(const Container& in, std::string_view key) {
  return member(in, key) != nullptr;
}

/// The object at `key`, made if it is not there (or is something else).
inline json::object& make_object(json::object& in, std::string_view key) {
  auto& value = in[key];
  if (!value.is_object()) value = json::object{};
  return value.get_object();
}

/// Sets `key` unless it has a value that is neither null nor empty text.
inline void set_default(json::object& in, std::string_view key, json::value value) {
  auto& slot = in[key];
  const auto* text = slot.if_string();
  if (slot.is_null() || (text != nullptr && text->empty())) slot = std::move(value);
}

/// Sets `key` unless it is a number other than zero: zero means "not given" in the API's probes.
inline void set_default_number(json::object& in, std::string_view key, int64_t value) {
  auto& slot = in[key];
  if (slot.is_null() || (slot.is_int64() && slot.get_int64() == 0)) slot = value;
}

/// Calls `f(object)` for each object of the list at `key`.
template <class F>
void for_each_object(json::object& in, std::string_view key, F&& f) {
  auto* value = in.if_contains(key);
  if (value == nullptr || !value->is_array()) return;
  for (auto& item : value->get_array())
    if (auto* object = item.if_object()) f(*object);
}

/// Calls `f(object)` if there is an object at `key`.
template <class F>
void with_object(json::object& in, std::string_view key, F&& f) {
  if (auto* value = in.if_contains(key))
    if (auto* object = value->if_object()) f(*object);
}

} // namespace podium::config
