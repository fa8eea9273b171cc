#include "api/protobuf.hpp"

#include "core/error.hpp"
#include "core/time.hpp"
#include "core/utf8.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace podium::api {
namespace {

namespace json = boost::json;
using config::field_shape;
using config::schema_field;
using config::schema_type;
using config::value_kind;

constexpr int max_depth = 64;

enum class wire : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// One field as it lies in the bytes.
struct raw_field {
  uint32_t number = 0;
  wire type = wire::varint;
  uint64_t number_value = 0;
  std::string_view bytes;
};

/// Walks the fields of one message.
class reader {
public:
  explicit reader(std::string_view data) : data_(data) {}
  bool broken() const { return broken_; }

  std::optional<raw_field> next() {
    if (data_.empty() || broken_) return {};
    raw_field f;
    auto key = varint();
    f.number = static_cast<uint32_t>(key >> 3);
    f.type = static_cast<wire>(key & 7);
    switch (f.type) {
    case wire::varint:
      f.number_value = varint();
      break;
    case wire::fixed64:
      take(8);
      break;
    case wire::fixed32:
      take(4);
      break;
    case wire::bytes:
      f.bytes = take(varint());
      break;
    default:
      broken_ = true;
    }
    if (f.number == 0) broken_ = true;
    return broken_ ? std::nullopt : std::optional{f};
  }

private:
  uint64_t varint() {
    uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (data_.empty()) break;
      auto byte = static_cast<unsigned char>(data_.front());
      data_.remove_prefix(1);
      out |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) return out;
    }
    broken_ = true;
    return 0;
  }
  std::string_view take(uint64_t n) {
    if (n > data_.size()) {
      broken_ = true;
      return {};
    }
    auto out = data_.substr(0, n);
    data_.remove_prefix(n);
    return out;
  }

  std::string_view data_;
  bool broken_ = false;
};

std::string base64(std::string_view in) {
  static constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < in.size(); i += 3) {
    uint32_t block = 0;
    auto n = std::min<size_t>(3, in.size() - i);
    for (size_t k = 0; k < 3; ++k)
      block = (block << 8) | (k < n ? static_cast<unsigned char>(in[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k)
      out += k <= n ? alphabet[(block >> (18 - 6 * k)) & 63] : '=';
  }
  return out;
}

// Messages that are values in Go's structs, not pointers: its encoder writes them although nobody set them,
// so empty ones say nothing. All others say something, as a selector that chooses everything does.
constexpr std::string_view always_written[] = {
    "metadata",  "spec",       "status",         "resources",       "state",           "lastState",
    "source",    "preference", "template",       "podAffinityTerm", "target",          "nodeInfo",
    "regarding", "handler",    "involvedObject", "daemonEndpoints", "kubeletEndpoint", "deprecatedSource"};

bool is_always_written(const schema_field& field) {
  return std::find(std::begin(always_written), std::end(always_written), field.name)
         != std::end(always_written);
}

class decoder {
public:
  json::object message(std::string_view bytes, const schema_type& type, int depth);
  bool failed = false;

private:
  void add(json::object& out, const schema_field& field, const raw_field& raw, int depth);
  void add_map_entry(json::object& out, const schema_field& field, const raw_field& raw, int depth);
  /// The value of one element; null stands for "as good as absent".
  json::value value(const schema_field& field, const raw_field& raw, int depth);
  json::value time(std::string_view bytes, bool micro);
  json::value int_or_string(std::string_view bytes);
  std::string first_text(std::string_view bytes);
  json::array texts(std::string_view bytes);
};

json::object decoder::message(std::string_view bytes, const schema_type& type, int depth) {
  json::object out;
  if (depth > max_depth) failed = true;
  reader r{bytes};
  while (auto raw = failed ? std::nullopt : r.next())
    if (auto* field = type.find_number(raw->number)) add(out, *field, *raw, depth);
  failed = failed || r.broken();
  return out;
}

void decoder::add(json::object& out, const schema_field& field, const raw_field& raw, int depth) {
  bool is_number =
      field.kind == value_kind::boolean || field.kind == value_kind::int32 || field.kind == value_kind::int64;
  if (is_number && field.shape == field_shape::list && raw.type == wire::bytes) {
    failed = true; // packed lists do not occur in these kinds
    return;
  }
  if ((field.shape != field_shape::map && is_number) != (raw.type == wire::varint)) {
    failed = true;
    return;
  }
  if (field.has(config::f_inlined)) {
    for (auto& member : message(raw.bytes, *field.object, depth + 1))
      out[member.key()] = member.value();
    return;
  }
  if (field.shape == field_shape::map) return add_map_entry(out, field, raw, depth);
  auto v = value(field, raw, depth);
  if (field.shape == field_shape::list) {
    auto& list = out[field.name];
    if (!list.is_array()) list = json::array{};
    list.get_array().push_back(v.is_null() && field.kind == value_kind::string ? json::value("")
                                                                               : std::move(v));
    return;
  }
  // Of a claim it is a pointer in Go: there when somebody set it, and "" wishes for volumes without a class.
  bool is_pointer = field.name == "storageClassName" && field.owner == "core.v1.PersistentVolumeClaimSpec";
  bool empty_text = v.is_string() && v.get_string().empty() && !is_pointer;
  bool empty_message = v.is_object() && v.get_object().empty() && is_always_written(field);
  bool unset_number = field.name == "generation" && v == json::value(0);
  if (!v.is_null() && !empty_text && !empty_message && !unset_number) out[field.name] = std::move(v);
}

void decoder::add_map_entry(json::object& out, const schema_field& field, const raw_field& raw, int depth) {
  auto& map = out[field.name];
  if (!map.is_object()) map = json::object{};
  std::string key;
  bool is_text = field.kind == value_kind::string || field.kind == value_kind::bytes;
  json::value entry = is_text ? json::value("") : json::value(nullptr);
  reader r{raw.bytes};
  while (auto part = r.next()) {
    if (part->number == 1) key = to_utf8(std::string{part->bytes});
    if (part->number == 2) entry = value(field, *part, depth);
  }
  failed = failed || r.broken();
  if (!entry.is_null()) map.get_object()[key] = std::move(entry);
}

json::value decoder::value(const schema_field& field, const raw_field& raw, int depth) {
  switch (field.kind) {
  case value_kind::string:
    return json::value(to_utf8(std::string{raw.bytes}));
  case value_kind::boolean:
    return raw.number_value != 0;
  case value_kind::int32:
    return static_cast<int32_t>(raw.number_value);
  case value_kind::int64:
    return static_cast<int64_t>(raw.number_value);
  case value_kind::bytes:
    return json::value(base64(raw.bytes));
  case value_kind::quantity:
    return json::value(first_text(raw.bytes));
  case value_kind::int_or_string:
    return int_or_string(raw.bytes);
  case value_kind::time:
    return time(raw.bytes, false);
  case value_kind::micro_time:
    return time(raw.bytes, true);
  case value_kind::string_list:
    return texts(raw.bytes);
  case value_kind::object:
    return message(raw.bytes, *field.object, depth + 1);
  case value_kind::any:
    break; // managed fields: nobody reads them from a client
  }
  return nullptr;
}

json::value decoder::time(std::string_view bytes, bool micro) {
  int64_t seconds = 0, nanos = 0;
  reader r{bytes};
  while (auto raw = r.next())
    (raw->number == 1 ? seconds : nanos) = static_cast<int64_t>(raw->number_value);
  failed = failed || r.broken();
  constexpr int64_t year_9999 = 253'402'300'799;
  if (bytes.empty() || seconds < 0 || seconds > year_9999 || nanos < 0 || nanos >= 1'000'000'000)
    return nullptr;
  constexpr int64_t latest = 9'223'372'035; // what a nanosecond clock of 64 bits can say
  wall_time t{std::chrono::seconds{std::min(seconds, latest)} + nanoseconds{nanos}};
  return json::value(micro ? to_rfc3339_micro(t) : to_rfc3339(t));
}

json::value decoder::int_or_string(std::string_view bytes) {
  int64_t type = 0, number = 0;
  std::string text;
  reader r{bytes};
  while (auto raw = r.next()) {
    if (raw->number == 1) type = static_cast<int64_t>(raw->number_value);
    if (raw->number == 2) number = static_cast<int32_t>(raw->number_value);
    if (raw->number == 3) text = to_utf8(std::string{raw->bytes});
  }
  failed = failed || r.broken();
  return type == 1 ? json::value(text) : json::value(number);
}

std::string decoder::first_text(std::string_view bytes) {
  auto list = texts(bytes);
  return list.empty() ? std::string{"0"} : std::string(list.front().get_string());
}

json::array decoder::texts(std::string_view bytes) {
  json::array out;
  reader r{bytes};
  while (auto raw = r.next())
    if (raw->number == 1) out.emplace_back(to_utf8(std::string{raw->bytes}));
  failed = failed || r.broken();
  return out;
}

/// runtime.Unknown: the type's name and the object's bytes.
struct envelope {
  std::string api_version, kind;
  std::string_view raw;
  bool broken = false;
};

envelope open(std::string_view body) {
  envelope out;
  reader r{body};
  while (auto field = r.next()) {
    if (field->number == 2) out.raw = field->bytes;
    if (field->number != 1) continue;
    reader meta{field->bytes};
    while (auto part = meta.next())
      (part->number == 1 ? out.api_version : out.kind) = part->bytes;
    out.broken = out.broken || meta.broken();
  }
  out.broken = out.broken || r.broken();
  return out;
}

} // namespace

caf::expected<protobuf_object> read_protobuf(std::string_view body) {
  constexpr std::string_view magic{"k8s\0", 4};
  if (!body.starts_with(magic))
    return make_error(errc::bad_request,
                      "provided data does not appear to be a protobuf message, expected prefix "
                      "[107 56 115 0]");
  auto outer = open(body.substr(magic.size()));
  if (outer.broken) return make_error(errc::bad_request, "the protobuf envelope is broken");
  protobuf_object out;
  out.gvk = config::make_gvk(outer.api_version, outer.kind);
  auto* type = config::type_of(out.gvk);
  if (!type)
    return make_error(errc::unsupported_media_type,
                      "no protobuf form of " + outer.api_version + " " + outer.kind + " is known");
  decoder d;
  auto object = d.message(outer.raw, *type, 0);
  if (d.failed) return make_error(errc::bad_request, "the protobuf message of " + outer.kind + " is broken");
  object["apiVersion"] = outer.api_version;
  object["kind"] = outer.kind;
  out.object = std::move(object);
  return out;
}

} // namespace podium::api
