#include "config/decode.hpp"

#include "core/error.hpp"
#include "core/quantity.hpp"
#include "core/time.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace podium::config {
namespace {

constexpr size_t max_problems = 100;

struct named_text_row {
  std::string_view field; ///< "PodSpec.restartPolicy"
  std::string_view go_type;
};

// Texts that have a type of their own in Kubernetes, as its messages show.
constexpr std::array named_texts{
    named_text_row{"PodSpec.restartPolicy", "v1.RestartPolicy"},
    named_text_row{"PodSpec.dnsPolicy", "v1.DNSPolicy"},
    named_text_row{"PodSpec.preemptionPolicy", "v1.PreemptionPolicy"},
    named_text_row{"Container.imagePullPolicy", "v1.PullPolicy"},
    named_text_row{"Container.terminationMessagePolicy", "v1.TerminationMessagePolicy"},
    named_text_row{"Container.restartPolicy", "v1.ContainerRestartPolicy"},
    named_text_row{"ContainerPort.protocol", "v1.Protocol"},
    named_text_row{"HTTPGetAction.scheme", "v1.URIScheme"},
    named_text_row{"Toleration.operator", "v1.TolerationOperator"},
    named_text_row{"Toleration.effect", "v1.TaintEffect"},
    named_text_row{"Taint.effect", "v1.TaintEffect"},
    named_text_row{"PodStatus.phase", "v1.PodPhase"},
    named_text_row{"ObjectMeta.uid", "types.UID"},
};

std::string_view scalar_name(value_kind kind) {
  switch (kind) {
  case value_kind::string:
    return "string";
  case value_kind::boolean:
    return "bool";
  case value_kind::int32:
    return "int32";
  case value_kind::int64:
    return "int64";
  case value_kind::bytes:
    return "[]uint8";
  case value_kind::quantity:
    return "resource.Quantity";
  case value_kind::int_or_string:
    return "intstr.IntOrString";
  case value_kind::time:
    return "v1.Time";
  case value_kind::micro_time:
    return "v1.MicroTime";
  case value_kind::string_list:
    return "[]string";
  default:
    return "interface {}";
  }
}

std::string element_name(const schema_field& field) {
  if (field.kind == value_kind::object) return "v1." + std::string{field.object->short_name};
  if (field.kind == value_kind::string) {
    auto owner = field.owner.substr(field.owner.rfind('.') + 1);
    for (const auto& row : named_texts)
      if (row.field.starts_with(owner) && row.field.substr(owner.size()) == "." + std::string{field.name})
        return std::string{row.go_type};
  }
  return std::string{scalar_name(field.kind)};
}

std::string type_name(const schema_field& field) {
  if (field.shape == field_shape::list) return "[]" + element_name(field);
  if (field.shape == field_shape::single) return element_name(field);
  return field.kind == value_kind::quantity ? "v1.ResourceList" : "map[string]" + element_name(field);
}

std::string number_text(const json::value& value) {
  if (value.is_int64()) return std::to_string(value.get_int64());
  if (value.is_uint64()) return std::to_string(value.get_uint64());
  char buffer[64];
  auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, value.get_double());
  return {buffer, end};
}

/// The word for a value of the wrong type, as Go's JSON reader names it.
std::string value_word(const json::value& value, value_kind wanted) {
  if (value.is_string()) return "string";
  if (value.is_bool()) return "bool";
  if (value.is_array()) return "array";
  if (value.is_object()) return "object";
  bool wants_integer = wanted == value_kind::int32 || wanted == value_kind::int64;
  return wants_integer ? "number " + number_text(value) : "number";
}

bool is_type_meta(std::string_view key) {
  return key == "kind" || key == "apiVersion";
}

bool is_kind(const schema_type& type) {
  return std::any_of(all_kinds().begin(), all_kinds().end(),
                     [&](const auto& row) { return row.type_name == type.name; })
         || type.name.ends_with("Options");
}

/// One pass over one document.
class decoder {
public:
  decoder(decoded& out, field_validation mode) : out_(out), mode_(mode) {}

  json::value object(const json::value& in, const schema_type& type) {
    const auto* members = in.if_object();
    if (members == nullptr) {
      fail("json: cannot unmarshal " + value_word(in, value_kind::object) + " into Go value of type v1."
           + std::string{type.short_name});
      return json::object{};
    }
    return fields(*members, type);
  }

  void strict(std::string path, std::string text) {
    if (mode_ == field_validation::ignore) return;
    auto& list = mode_ == field_validation::strict ? out_.strict_errors : out_.warnings;
    if (list.size() < max_problems) list.push_back({std::move(path), std::move(text), true});
  }

private:
  struct segment {
    std::string_view key;
    size_t index = 0;
    bool is_index = false;
    bool is_field = false; ///< a field of the schema, not a key of a map
  };

  json::object fields(const json::object& members, const schema_type& type) {
    json::object out;
    out.reserve(members.size());
    for (const auto& [key, value] : members) {
      auto field = type.find(key).field;
      path_.push_back({key, 0, false, true});
      if (field == nullptr) {
        if (is_type_meta(key) && is_kind(type))
          type_meta(out, key, value, type);
        else
          strict(path(), "unknown field \"" + path() + "\"");
      } else if (!value.is_null()) {
        auto decoded_value = shaped(value, *field, type);
        if (!decoded_value.is_null() && !says_nothing(*field, decoded_value))
          out.emplace(key, std::move(decoded_value));
      }
      path_.pop_back();
    }
    return out;
  }

  /// An empty list or map that need not be there: Kubernetes keeps none.
  static bool says_nothing(const schema_field& field, const json::value& value) {
    if (field.has(f_required)) return false;
    if (field.shape == field_shape::list) return value.is_array() && value.get_array().empty();
    return field.shape == field_shape::map && value.is_object() && value.get_object().empty();
  }

  void type_meta(json::object& out, std::string_view key, const json::value& value, const schema_type& type) {
    if (value.is_string())
      out.emplace(key, value);
    else if (!value.is_null())
      mismatch(value, "string", value_kind::string, type);
  }

  json::value shaped(const json::value& value, const schema_field& field, const schema_type& type) {
    if (field.shape == field_shape::single) return element(value, field, type, false);
    if (field.shape == field_shape::list) {
      const auto* items = value.if_array();
      if (items == nullptr) return mismatch(value, type_name(field), value_kind::object, type);
      json::array out;
      out.reserve(items->size());
      for (size_t i = 0; i < items->size(); ++i) {
        path_.push_back({{}, i, true, false});
        out.push_back(element((*items)[i], field, type, true));
        path_.pop_back();
      }
      return out;
    }
    const auto* members = value.if_object();
    if (members == nullptr) return mismatch(value, type_name(field), value_kind::object, type);
    json::object out;
    out.reserve(members->size());
    for (const auto& [key, item] : *members) {
      path_.push_back({key, 0, false, false});
      out.emplace(key, element(item, field, type, true));
      path_.pop_back();
    }
    return out;
  }

  /// The zero that Go puts where a list or a map holds null.
  static json::value zero_of(value_kind kind) {
    switch (kind) {
    case value_kind::string:
      return json::value("");
    case value_kind::boolean:
      return false;
    case value_kind::int32:
    case value_kind::int64:
    case value_kind::int_or_string:
      return 0;
    case value_kind::quantity:
      return json::value("0");
    case value_kind::object:
      return json::object{};
    case value_kind::string_list:
      return json::array{};
    default:
      return nullptr;
    }
  }

  json::value element(const json::value& value, const schema_field& field, const schema_type& type,
                      bool in_container) {
    if (value.is_null() && in_container) return zero_of(field.kind);
    switch (field.kind) {
    case value_kind::object: {
      const auto* members = value.if_object();
      if (members == nullptr) return mismatch(value, element_name(field), field.kind, type);
      return fields(*members, *field.object);
    }
    case value_kind::any:
      return value;
    case value_kind::string_list: {
      const auto* items = value.if_array();
      if (items == nullptr) return mismatch(value, "[]string", field.kind, type);
      for (const auto& item : *items)
        if (!item.is_string()) return mismatch(item, "string", value_kind::string, type);
      return value;
    }
    default:
      return scalar(value, field, type);
    }
  }

  json::value scalar(const json::value& value, const schema_field& field, const schema_type& type) {
    auto out = value;
    auto problem = canonical_scalar(field.kind, out);
    if (problem.empty()) return out;
    if (problem == "type") return mismatch(value, element_name(field), field.kind, type);
    fail(std::move(problem));
    return nullptr;
  }

  json::value mismatch(const json::value& value, const std::string& wanted, value_kind kind,
                       const schema_type& type) {
    std::string field_path;
    for (const auto& s : path_)
      if (s.is_field) field_path = join_path(field_path, s.key);
    fail("json: cannot unmarshal " + value_word(value, kind) + " into Go struct field "
         + std::string{type.short_name} + "." + field_path + " of type " + wanted);
    return nullptr;
  }

  void fail(std::string text) {
    if (out_.errors.size() < max_problems) out_.errors.push_back({path(), std::move(text), false});
  }

  std::string path() const {
    std::string out;
    for (const auto& s : path_)
      out = s.is_index ? join_path(out, s.index) : join_path(out, s.key);
    return out;
  }

  decoded& out_;
  field_validation mode_;
  std::vector<segment> path_;
};

std::string text_of(const json::value& root, std::string_view key) {
  const auto* object = root.if_object();
  const auto* value = object == nullptr ? nullptr : object->if_contains(key);
  return value != nullptr && value->is_string() ? std::string{value->get_string()} : std::string{};
}

void put_first(json::object& object, const group_version_kind& gvk) {
  json::object out;
  out.reserve(object.size() + 2);
  out.emplace("kind", gvk.kind);
  out.emplace("apiVersion", gvk.api_version());
  for (auto& [key, value] : object)
    if (!is_type_meta(key)) out.emplace(key, std::move(value));
  object = std::move(out);
}

} // namespace

caf::expected<field_validation> parse_field_validation(std::string_view text) {
  if (text.empty() || text == "Warn") return field_validation::warn;
  if (text == "Strict") return field_validation::strict;
  if (text == "Ignore") return field_validation::ignore;
  return make_error(errc::invalid, "fieldValidation: Unsupported value: \"" + std::string{text}
                                       + "\": supported values: \"Ignore\", \"Strict\", \"Warn\"");
}

decoded decode(const document& doc, const group_version_kind& expected, field_validation mode) {
  decoded out;
  out.gvk = expected;
  out.object = json::object{};
  auto fail = [&](std::string path, std::string text) {
    out.errors.push_back({std::move(path), std::move(text), false});
  };
  const auto* type = type_of(expected);
  if (type == nullptr) {
    fail("kind", "no kind \"" + expected.kind + "\" is registered for version \"" + expected.api_version()
                     + "\" in scheme");
    return out;
  }
  auto kind = text_of(doc.root, "kind");
  auto version = text_of(doc.root, "apiVersion");
  bool any_version = type->name.starts_with("meta.");
  bool other_kind = !kind.empty() && kind != expected.kind;
  if (other_kind || (!version.empty() && version != expected.api_version() && !any_version)) {
    out.named =
        make_gvk(version.empty() ? expected.api_version() : version, kind.empty() ? expected.kind : kind);
    if (const auto* other = type_of(out.named); other != nullptr && !other->name.starts_with("meta."))
      fail("kind", "converting (" + out.named.version + "." + out.named.kind + ") to (core." + expected.kind
                       + "): unknown conversion");
    else
      fail("kind", "no kind \"" + out.named.kind + "\" is registered for version \"" + out.named.api_version()
                       + "\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"");
  }
  if (!out.errors.empty()) return out;
  decoder pass{out, mode};
  for (const auto& path : doc.duplicates)
    pass.strict(path, "duplicate field \"" + path + "\"");
  out.object = pass.object(doc.root, *type);
  put_first(out.object.get_object(), expected);
  return out;
}

caf::expected<decoded> decode(const document& doc, field_validation mode) {
  auto kind = text_of(doc.root, "kind");
  auto version = text_of(doc.root, "apiVersion");
  auto refuse = [&](std::string_view path, const std::string& text) {
    auto place = doc.where(path);
    return make_error(errc::bad_request, (place.empty() ? "" : place + ": ") + text);
  };
  if (!doc.root.is_object())
    return refuse("", "this is not an object: kind, apiVersion, metadata and spec are wanted");
  if (kind.empty()) return refuse("", "Object 'Kind' is missing");
  if (version.empty()) return refuse("", "Object 'apiVersion' is missing");
  auto gvk = make_gvk(version, kind);
  if (type_of(gvk) == nullptr)
    return refuse("kind", "no kind \"" + kind + "\" is registered for version \"" + version + "\" in scheme");
  return decode(doc, gvk, mode);
}

std::string api_message(const decoded& what) {
  if (what.ok()) return {};
  const auto& named = what.named.kind.empty() ? what.gvk : what.named;
  std::string out =
      named.kind + " in version \"" + named.version + "\" cannot be handled as a " + what.gvk.kind + ": ";
  // As in Kubernetes the first wrong value ends the reading, while all strict mistakes are told.
  if (!what.errors.empty()) return out + what.errors.front().text;
  out += "strict decoding error: ";
  for (size_t i = 0; i < what.strict_errors.size(); ++i)
    out += (i == 0 ? "" : ", ") + what.strict_errors[i].text;
  return out;
}

caf::error file_error(const document& doc, const decoded& what) {
  if (what.ok()) return {};
  std::vector<std::pair<source_position, std::string>> lines;
  for (const auto* list : {&what.errors, &what.strict_errors})
    for (const auto& problem : *list) {
      auto place = doc.locate(problem.path);
      auto at = problem.at_key ? place.key : place.value;
      auto where = to_string(doc.source, at);
      lines.emplace_back(at, (where.empty() ? "" : where + ": ") + problem.text);
    }
  std::stable_sort(lines.begin(), lines.end(), [](const auto& a, const auto& b) {
    return std::pair{a.first.line, a.first.column} < std::pair{b.first.line, b.first.column};
  });
  std::string text;
  for (const auto& [at, line] : lines)
    text += (text.empty() ? "" : "\n") + line;
  return make_error(errc::bad_request, std::move(text));
}

} // namespace podium::config
