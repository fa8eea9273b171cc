// The scalars of the API: which JSON values they take and the one form in which they are kept.
#include "config/decode.hpp"
#include "core/error.hpp"
#include "core/quantity.hpp"
#include "core/time.hpp"

#include <charconv>
#include <cmath>
#include <limits>

namespace podium::config {
namespace {

// Tells the caller to name the wanted type; every other result is a message of its own.
constexpr const char* wrong_type = "type";

std::string go_value_error(const json::value& value, const char* wanted) {
  std::string word = value.is_bool()     ? "bool"
                     : value.is_array()  ? "array"
                     : value.is_object() ? "object"
                     : value.is_string() ? "string"
                                         : "number";
  return "json: cannot unmarshal " + word + " into Go value of type " + wanted;
}

std::string integer(json::value& value, int64_t low, int64_t high) {
  if (!value.is_int64()) return wrong_type;
  auto number = value.get_int64();
  return number < low || number > high ? wrong_type : std::string{};
}

std::string base64(const json::value& value) {
  if (!value.is_string()) return wrong_type;
  std::string_view text = value.get_string();
  size_t at = 0;
  auto is_letter = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  };
  while (at < text.size() && is_letter(text[at]))
    ++at;
  auto padding = text.size() - at;
  bool padded =
      text.size() % 4 == 0 && padding <= 2 && text.find_first_not_of('=', at) == std::string_view::npos;
  return padded ? std::string{} : "illegal base64 data at input byte " + std::to_string(at);
}

std::string amount(json::value& value) {
  std::string text;
  if (value.is_string())
    text = std::string{value.get_string()};
  else if (value.is_int64())
    text = std::to_string(value.get_int64());
  else if (value.is_uint64())
    text = std::to_string(value.get_uint64());
  else if (value.is_double()) {
    char buffer[64];
    auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, value.get_double());
    text.assign(buffer, end);
  } else {
    text = json::serialize(value);
  }
  auto parsed = quantity::parse(text);
  if (!parsed) return message_of(parsed.error());
  value = parsed->to_string();
  return {};
}

std::string int_or_text(json::value& value) {
  if (value.is_string()) return {};
  if (integer(value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()).empty())
    return {};
  return go_value_error(value, "int32");
}

std::string timestamp(json::value& value, bool micro) {
  if (!value.is_string()) return go_value_error(value, "string");
  std::string_view text = value.get_string();
  auto parsed = parse_rfc3339(text);
  if (!parsed)
    return "parsing time \"" + std::string{text} + "\" as \""
           + (micro ? "2006-01-02T15:04:05.000000Z07:00" : "2006-01-02T15:04:05Z07:00")
           + "\": cannot parse \"" + std::string{text} + "\" as \"2006\"";
  value = micro ? to_rfc3339_micro(*parsed) : to_rfc3339(*parsed);
  return {};
}

} // namespace

std::string canonical_scalar(value_kind kind, json::value& value) {
  switch (kind) {
  case value_kind::string:
    return value.is_string() ? std::string{} : wrong_type;
  case value_kind::boolean:
    return value.is_bool() ? std::string{} : wrong_type;
  case value_kind::int32:
    return integer(value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max());
  case value_kind::int64:
    return integer(value, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
  case value_kind::bytes:
    return base64(value);
  case value_kind::quantity:
    return amount(value);
  case value_kind::int_or_string:
    return int_or_text(value);
  case value_kind::time:
    return timestamp(value, false);
  case value_kind::micro_time:
    return timestamp(value, true);
  default:
    return {};
  }
}

} // namespace podium::config
