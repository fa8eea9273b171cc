#include "config/go_diff.hpp"

#include "config/validate.hpp"

#include <algorithm>

namespace podium::config {
namespace {

constexpr size_t most_lines = 100;

struct spelled {
  std::string_view json_name, go_name;
};

// Fields whose Go name is not the JSON name with a capital letter.
constexpr spelled irregular[] = {
    {"dnsPolicy", "DNSPolicy"},
    {"dnsConfig", "DNSConfig"},
    {"tty", "TTY"},
    {"httpGet", "HTTPGet"},
    {"tcpSocket", "TCPSocket"},
    {"grpc", "GRPC"},
    {"os", "OS"},
    {"httpHeaders", "HTTPHeaders"},
    {"nfs", "NFS"},
    {"csi", "CSI"},
    {"fsGroup", "FSGroup"},
    {"ip", "IP"},
    {"setHostnameAsFQDN", "SetHostnameAsFQDN"},
    {"serviceAccount", "DeprecatedServiceAccount"},
};

std::string go_name(std::string_view name) {
  for (const auto& row : irregular)
    if (row.json_name == name) return std::string{row.go_name};
  std::string out{name};
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 32);
  return out;
}

/// A value as a Go literal.
std::string literal(const json::value* value, const schema_type* type) {
  if (value == nullptr || value->is_null()) return "nil";
  std::string out;
  if (const auto* object = value->if_object()) {
    for (const auto& [key, inner] : *object) {
      auto field = type == nullptr ? nullptr : type->find(key).field;
      out += (out.empty() ? "" : ", ") + (type == nullptr ? shown_value(json::value(key)) : go_name(key))
             + ": " + literal(&inner, field == nullptr ? nullptr : field->object);
    }
    return "{" + out + "}";
  }
  if (const auto* list = value->if_array()) {
    for (const auto& item : *list)
      out += (out.empty() ? "" : ", ") + literal(&item, type);
    return "{" + out + "}";
  }
  return shown_value(*value);
}

class differ {
public:
  std::string out;

  void fields(const schema_type& type, const json::object& before, const json::object& after, size_t depth) {
    size_t equal = 0;
    auto flush = [&] {
      if (equal > 0)
        line(' ', depth, "... // " + std::to_string(equal) + " identical field" + (equal == 1 ? "" : "s"));
      equal = 0;
    };
    for (const auto& field : type.fields) {
      if (field.has(f_inlined)) {
        flush();
        fields(*field.object, before, after, depth);
        continue;
      }
      const auto* was = before.if_contains(field.name);
      const auto* is = after.if_contains(field.name);
      if (was == is || (was != nullptr && is != nullptr && *was == *is)) {
        ++equal;
        continue;
      }
      flush();
      value(go_name(field.name) + ": ", field, was, is, depth);
    }
    flush();
  }

  void line(char mark, size_t depth, const std::string& text) {
    if (++lines_ > most_lines) return;
    out += std::string{mark} + " " + std::string(depth, '\t') + text + "\n";
  }

private:
  static std::string element_name(const schema_field& field) {
    if (field.object == nullptr) return field.kind == value_kind::string ? "string" : "any";
    return "core." + std::string{field.object->short_name};
  }

  void value(const std::string& name, const schema_field& field, const json::value* was,
             const json::value* is, size_t depth) {
    bool both = was != nullptr && is != nullptr;
    if (both && field.shape == field_shape::single && field.object != nullptr && was->is_object()
        && is->is_object()) {
      line(' ', depth, name + "&" + element_name(field) + "{");
      fields(*field.object, was->get_object(), is->get_object(), depth + 1);
      line(' ', depth, "},");
    } else if (both && field.shape == field_shape::list && was->is_array() && is->is_array()) {
      line(' ', depth, name + "[]" + element_name(field) + "{");
      elements(field, was->get_array(), is->get_array(), depth + 1);
      line(' ', depth, "},");
    } else {
      line('-', depth, name + literal(was, field.object) + ",");
      line('+', depth, name + literal(is, field.object) + ",");
    }
  }

  void elements(const schema_field& field, const json::array& before, const json::array& after,
                size_t depth) {
    size_t equal = 0;
    for (size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
      const auto* was = i < before.size() ? &before[i] : nullptr;
      const auto* is = i < after.size() ? &after[i] : nullptr;
      if (was != nullptr && is != nullptr && *was == *is) {
        ++equal;
        continue;
      }
      if (equal > 0) line(' ', depth, "... // " + std::to_string(equal) + " identical elements");
      equal = 0;
      if (was != nullptr && is != nullptr && field.object != nullptr && was->is_object() && is->is_object()) {
        line(' ', depth, "{");
        fields(*field.object, was->get_object(), is->get_object(), depth + 1);
        line(' ', depth, "},");
        continue;
      }
      if (was != nullptr) line('-', depth, literal(was, field.object) + ",");
      if (is != nullptr) line('+', depth, literal(is, field.object) + ",");
    }
    if (equal > 0) line(' ', depth, "... // " + std::to_string(equal) + " identical elements");
  }

  size_t lines_ = 0;
};

} // namespace

std::string go_diff(const schema_type& type, const json::value& before, const json::value& after) {
  static const json::object none;
  const auto* was = before.if_object();
  const auto* is = after.if_object();
  differ d;
  d.line(' ', 0, "core." + std::string{type.short_name} + "{");
  d.fields(type, was == nullptr ? none : *was, is == nullptr ? none : *is, 1);
  d.out += "  }\n";
  return d.out;
}

} // namespace podium::config
