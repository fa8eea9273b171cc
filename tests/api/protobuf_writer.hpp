// Objects as Kubernetes' protobuf bodies, by the schema table: what clients send, for tests of what reads it.
#pragma once
#include "config/json_access.hpp"
#include "config/schema.hpp"
#include "core/base64.hpp"
#include "core/time.hpp"

#include <boost/json.hpp>
#include <string>

namespace podium::test {

namespace json = boost::json;

class protobuf_writer {
public:
  std::string message(const json::object& object, const config::schema_type& type) {
    std::string out;
    for (const auto& field : type.fields) {
      if (field.has(config::f_inlined)) {
        // An embedded message: its fields lie in the object that holds it.
        auto inner = message(object, *field.object);
        if (!inner.empty()) put_text(out, field.number, inner);
        continue;
      }
      const auto* value = object.if_contains(field.name);
      if (value == nullptr) continue;
      if (field.shape == config::field_shape::map)
        for (const auto& [key, inner] : value->as_object()) {
          std::string entry;
          put_text(entry, 1, key);
          element(entry, 2, field, inner);
          put_text(out, field.number, entry);
        }
      else if (field.shape == config::field_shape::list)
        for (const auto& item : value->as_array())
          element(out, field.number, field, item);
      else
        element(out, field.number, field, *value);
    }
    return out;
  }

  static void put_text(std::string& out, uint32_t number, std::string_view text) {
    varint(out, number << 3 | 2);
    varint(out, text.size());
    out += text;
  }

private:
  static void varint(std::string& out, uint64_t n) {
    for (; n >= 0x80; n >>= 7)
      out += static_cast<char>(n | 0x80);
    out += static_cast<char>(n);
  }
  static void number(std::string& out, uint32_t field, int64_t n) {
    varint(out, field << 3);
    varint(out, static_cast<uint64_t>(n));
  }

  static std::string time(std::string_view text) {
    auto at = parse_rfc3339(text)->time_since_epoch();
    auto seconds = std::chrono::floor<std::chrono::seconds>(at);
    std::string out;
    number(out, 1, seconds.count());
    number(out, 2, std::chrono::duration_cast<std::chrono::nanoseconds>(at - seconds).count());
    return out;
  }

  static std::string int_or_string(const json::value& value) {
    std::string out;
    number(out, 1, value.is_string() ? 1 : 0);
    number(out, 2, value.is_string() ? 0 : value.as_int64());
    put_text(out, 3, value.is_string() ? std::string_view{value.as_string()} : std::string_view{});
    return out;
  }

  void element(std::string& out, uint32_t field_number, const config::schema_field& field,
               const json::value& value) {
    using enum config::value_kind;
    std::string inner;
    switch (field.kind) {
    case string:
      return put_text(out, field_number, value.as_string());
    case bytes:
      return put_text(out, field_number, *from_base64(value.as_string()));
    case boolean:
      return number(out, field_number, value.as_bool() ? 1 : 0);
    case int32:
    case int64:
      return number(out, field_number, value.as_int64());
    case quantity:
      put_text(inner, 1, value.as_string());
      return put_text(out, field_number, inner);
    case int_or_string:
      return put_text(out, field_number, protobuf_writer::int_or_string(value));
    case time:
    case micro_time:
      return put_text(out, field_number, protobuf_writer::time(value.as_string()));
    case object:
      return put_text(out, field_number, message(value.as_object(), *field.object));
    case any:
      put_text(inner, 1, json::serialize(value));
      return put_text(out, field_number, inner);
    default:
      throw std::logic_error("no manifest of the corpus has such a field");
    }
  }
};

/// "k8s\0" and runtime.Unknown with the object in it.
inline std::string write_protobuf(const config::group_version_kind& gvk, const json::object& object) {
  std::string meta, unknown;
  protobuf_writer::put_text(meta, 1, gvk.api_version());
  protobuf_writer::put_text(meta, 2, gvk.kind);
  protobuf_writer::put_text(unknown, 1, meta);
  protobuf_writer::put_text(unknown, 2, protobuf_writer{}.message(object, *config::type_of(gvk)));
  protobuf_writer::put_text(unknown, 3, "");
  protobuf_writer::put_text(unknown, 4, "");
  return std::string{"k8s\0", 4} + unknown;
}

} // namespace podium::test
