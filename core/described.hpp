// Described structs: BOOST_DESCRIBE_STRUCT once, and from it CAF's inspect, printing, hashing and JSON.
#pragma once
#include "core/time.hpp"

#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11.hpp>
#include <caf/meta/type_name.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace podium {

template <class T>
concept described = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;
template <class T>
concept described_enum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;

/// The inspection CAF 0.17 wants, for every described struct of this namespace.
template <class Inspector, described T>
typename Inspector::result_type inspect(Inspector& f, T& x) {
  using members = boost::describe::describe_members<T, boost::describe::mod_public>;
  return [&]<template <class...> class L, class... D>(L<D...>) {
    return f(caf::meta::type_name(""), (x.*D::pointer)...);
  }(members{});
}

/// The enumerator's name, without a trailing underscore.
template <described_enum E>
std::string to_string(E value) {
  std::string out = "?";
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>([&](auto d) {
    if (d.value == value) out = d.name;
  });
  if (out.ends_with('_')) out.pop_back();
  return out;
}

/// The enumerator called `name`. Empty when there is none.
template <described_enum E>
std::optional<E> enum_from(std::string_view name) {
  std::optional<E> out;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>([&](auto d) {
    std::string_view n = d.name;
    if (n.ends_with('_')) n.remove_suffix(1);
    if (n == name) out = d.value;
  });
  return out;
}

/// The JSON name of a member: `restart_policy` is `restartPolicy`, `pod_ip` is `podIP`, `namespace_` is
/// `namespace`.
std::string json_name(std::string_view member);

/// A text that is written even when it is empty, where the API requires the field.
struct required_string {
  std::string value;
  required_string() = default;
  required_string(std::string v) : value(std::move(v)) {}
  required_string(const char* v) : value(v) {}
  operator const std::string&() const { return value; }
  bool operator==(const required_string&) const = default;
};

/// metav1.MicroTime.
struct micro_time {
  wall_time value;
  bool operator==(const micro_time&) const = default;
};

/// A wall time that podium keeps for itself, to the nanosecond: an integer since 1970.
struct nano_time {
  wall_time value;
  bool operator==(const nano_time&) const = default;
};

/// A number or a text, as ports are named (intstr.IntOrString).
struct int_or_string {
  int32_t number = 0;
  std::string text;
  bool is_text() const { return !text.empty(); }
  bool operator==(const int_or_string&) const = default;
};

BOOST_DESCRIBE_STRUCT(required_string, (), (value))
BOOST_DESCRIBE_STRUCT(micro_time, (), (value))
BOOST_DESCRIBE_STRUCT(nano_time, (), (value))
BOOST_DESCRIBE_STRUCT(int_or_string, (), (number, text))

namespace json_detail {

namespace json = boost::json;

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct is_map : std::false_type {};
template <class T>
struct is_map<std::map<std::string, T>> : std::true_type {};

template <class T>
bool read(const json::value& v, T& out);
template <class T>
json::value write(const T& x);
/// True for what is left out of the written object: absent optionals, empty texts, lists and maps.
template <class T>
bool omitted(const T& x) {
  if constexpr (is_optional<T>::value)
    return !x.has_value();
  else if constexpr (std::is_same_v<T, std::string> || is_vector<T>::value || is_map<T>::value)
    return x.empty();
  else
    return false;
}

template <class T>
const std::string& name_of(const char* member) {
  static const std::string name = json_name(member);
  return name;
}

template <class T>
bool read_struct(const json::value& v, T& out) {
  auto* object = v.if_object();
  if (!object) return false;
  bool ok = true;
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>([&](auto d) {
    using D = decltype(d);
    if (auto* field = object->if_contains(name_of<D>(D::name)); field && !field->is_null())
      ok = read(*field, out.*D::pointer) && ok;
  });
  return ok;
}

template <class T>
bool read(const json::value& v, T& out) {
  if constexpr (std::is_same_v<T, json::value>) {
    out = v;
    return true;
  } else if constexpr (is_optional<T>::value) {
    typename T::value_type x{};
    if (!read(v, x)) return false;
    out = std::move(x);
    return true;
  } else if constexpr (std::is_same_v<T, nanoseconds>) {
    int64_t ns = 0;
    if (!read(v, ns)) return false;
    out = nanoseconds{ns};
    return true;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!v.is_bool()) return false;
    out = v.get_bool();
    return true;
  } else if constexpr (std::is_integral_v<T>) {
    boost::system::error_code ec;
    auto n = v.to_number<T>(ec);
    if (ec) return false;
    out = n;
    return true;
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, required_string>) {
    // Quantities may be written as numbers.
    out = v.is_string() ? std::string(v.get_string()) : json::serialize(v);
    return v.is_string() || v.is_number();
  } else if constexpr (std::is_same_v<T, wall_time> || std::is_same_v<T, micro_time>) {
    auto t = v.is_string() ? parse_rfc3339(std::string_view{v.get_string()}) : std::nullopt;
    if (t) out = T{*t};
    return t.has_value();
  } else if constexpr (std::is_same_v<T, nano_time>) {
    int64_t ns = 0;
    if (!read(v, ns)) return false;
    out.value = wall_time{nanoseconds{ns}};
    return true;
  } else if constexpr (std::is_same_v<T, int_or_string>) {
    if (v.is_string())
      out.text = std::string(v.get_string());
    else
      return read(v, out.number);
    return true;
  } else if constexpr (is_vector<T>::value) {
    auto* array = v.if_array();
    if (!array) return false;
    bool ok = true;
    out.resize(array->size());
    for (size_t i = 0; i < array->size(); ++i)
      ok = read((*array)[i], out[i]) && ok;
    return ok;
  } else if constexpr (is_map<T>::value) {
    auto* object = v.if_object();
    if (!object) return false;
    bool ok = true;
    for (auto& [key, field] : *object)
      ok = read(field, out[std::string(key)]) && ok;
    return ok;
  } else if constexpr (described_enum<T>) {
    auto e = v.is_string() ? enum_from<T>(std::string_view{v.get_string()}) : std::nullopt;
    if (e) out = *e;
    return e.has_value();
  } else {
    return read_struct(v, out);
  }
}

template <class T>
json::value write(const T& x) {
  if constexpr (std::is_same_v<T, json::value>) {
    return x;
  } else if constexpr (is_optional<T>::value) {
    return x ? write(*x) : json::value(nullptr);
  } else if constexpr (std::is_same_v<T, nanoseconds>) {
    return json::value(static_cast<int64_t>(x.count()));
  } else if constexpr (std::is_same_v<T, nano_time>) {
    return json::value(static_cast<int64_t>(x.value.time_since_epoch().count()));
  } else if constexpr (std::is_same_v<T, bool> || std::is_integral_v<T>) {
    return json::value(x);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return json::value(x);
  } else if constexpr (std::is_same_v<T, required_string>) {
    return json::value(x.value);
  } else if constexpr (std::is_same_v<T, wall_time>) {
    return json::value(to_rfc3339(x));
  } else if constexpr (std::is_same_v<T, micro_time>) {
    return json::value(to_rfc3339_micro(x.value));
  } else if constexpr (std::is_same_v<T, int_or_string>) {
    return x.is_text() ? json::value(x.text) : json::value(x.number);
  } else if constexpr (is_vector<T>::value) {
    json::array array;
    array.reserve(x.size());
    for (auto& e : x)
      array.push_back(write(e));
    return array;
  } else if constexpr (is_map<T>::value) {
    json::object object;
    for (auto& [key, e] : x)
      object.emplace(key, write(e));
    return object;
  } else if constexpr (described_enum<T>) {
    return json::value(to_string(x));
  } else {
    json::object object;
    boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>([&](auto d) {
      using D = decltype(d);
      if (auto& field = x.*D::pointer; !omitted(field)) object.emplace(name_of<D>(D::name), write(field));
    });
    return object;
  }
}

} // namespace json_detail

/// Fills `out` from `v`: unknown fields and nulls are passed over. False when a field has another type (the
/// rest is still read): documents come here after strict decoding.
template <class T>
bool from_json(const boost::json::value& v, T& out) {
  return json_detail::read(v, out);
}

/// The JSON of `x`: absent optionals, empty texts, lists and maps are left out; numbers and booleans always
/// stand.
template <class T>
boost::json::value to_json(const T& x) {
  return json_detail::write(x);
}

} // namespace podium
