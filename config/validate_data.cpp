// Validation of ConfigMaps and Secrets: keys, sizes, what a type of secret must hold, what is immutable.
#include "config/json.hpp"
#include "config/validate_kinds.hpp"
#include "core/base64.hpp"
#include "core/error.hpp"

#include <array>

namespace podium::config {
namespace {

constexpr size_t most_bytes = 1024 * 1024;
constexpr auto account_annotation = "kubernetes.io/service-account.name";

const json::object& object_of(const json::value& value) {
  static const json::object none;
  const auto* object = value.if_object();
  return object == nullptr ? none : *object;
}

/// How many bytes base64 text stands for.
size_t decoded_size(std::string_view text) {
  auto digits = text.substr(0, std::min(text.find('='), text.size()));
  return digits.size() * 3 / 4;
}

size_t size_of(const json::value& value, bool is_base64) {
  if (!value.is_string()) return 0;
  return is_base64 ? decoded_size(value.get_string()) : value.get_string().size();
}

/// Judges the keys of the map at `field` and gives its size in bytes.
size_t validate_keys(const judged& object, std::string_view field, bool is_base64) {
  size_t bytes = 0;
  const auto* map = object_at(object.object(), field);
  if (map == nullptr) return bytes;
  for (const auto& [key, value] : *map) {
    object.out().invalid(object.at(field) + "[" + std::string{key} + "]", json::value(key),
                         check_config_key(key));
    bytes += size_of(value, is_base64);
  }
  return bytes;
}

/// What may not change once `immutable` is set.
void validate_immutable(const judged& before, const judged& after,
                        std::initializer_list<std::string_view> fields) {
  constexpr auto why = "field is immutable when `immutable` is set";
  if (!before.flag("immutable")) return;
  if (!after.flag("immutable")) after.forbidden("immutable", why);
  auto content = [](const judged& object, std::string_view field) {
    const auto* map = object_at(object.object(), field);
    return map == nullptr ? json::object{} : *map;
  };
  for (auto field : fields)
    if (content(before, field) != content(after, field)) after.forbidden(field, why);
}

struct secret_view {
  const judged& secret;
  const json::object* data;

  const json::value* find(std::string_view key) const {
    return data == nullptr ? nullptr : data->if_contains(key);
  }
  void require(std::string_view key) const { secret.out().required("data[" + std::string{key} + "]"); }
};

void validate_docker_config(const secret_view& view, std::string_view key) {
  const auto* value = view.find(key);
  if (value == nullptr) return view.require(key);
  auto text = value->is_string() ? from_base64(value->get_string()) : std::nullopt;
  auto parsed = parse_json(text.value_or(""));
  std::string why;
  if (!parsed)
    why = text.value_or("").empty() ? "unexpected end of JSON input"
                                    : "the content is no JSON: " + message_of(parsed.error());
  else if (!parsed->root.is_object() && !parsed->root.is_null())
    why = "json: cannot unmarshal the content into a Go value of type map[string]interface {}";
  if (!why.empty())
    view.secret.out().invalid("data[" + std::string{key} + "]", "<secret contents redacted>", why);
}

void require_all(const secret_view& view, std::initializer_list<std::string_view> keys) {
  for (auto key : keys)
    if (view.find(key) == nullptr) view.require(key);
}

struct type_row {
  std::string_view type;
  void (*judge)(const secret_view& view);
};

constexpr std::array type_rows{
    type_row{"kubernetes.io/service-account-token",
             [](const secret_view& view) {
               const auto* metadata = object_at(view.secret.object(), "metadata");
               const auto* notes = metadata == nullptr ? nullptr : object_at(*metadata, "annotations");
               if (notes == nullptr || text_at(*notes, account_annotation).empty())
                 view.secret.out().required(std::string{"metadata.annotations["} + account_annotation + "]");
             }},
    type_row{"kubernetes.io/dockercfg",
             [](const secret_view& view) { validate_docker_config(view, ".dockercfg"); }},
    type_row{"kubernetes.io/dockerconfigjson",
             [](const secret_view& view) { validate_docker_config(view, ".dockerconfigjson"); }},
    type_row{"kubernetes.io/basic-auth",
             [](const secret_view& view) {
               if (view.find("username") == nullptr && view.find("password") == nullptr)
                 require_all(view, {"username", "password"});
             }},
    type_row{"kubernetes.io/ssh-auth",
             [](const secret_view& view) {
               const auto* key = view.find("ssh-privatekey");
               if (key == nullptr || size_of(*key, true) == 0) view.require("ssh-privatekey");
             }},
    type_row{"kubernetes.io/tls",
             [](const secret_view& view) {
               require_all(view, {"tls.crt", "tls.key"});
             }},
};

} // namespace

void validate_config_map(const json::value& object, field_causes& out) {
  judged config{object_of(object), "", out};
  auto bytes = validate_keys(config, "data", false);
  const auto* texts = object_at(config.object(), "data");
  const auto* binary = object_at(config.object(), "binaryData");
  if (texts != nullptr && binary != nullptr)
    for (const auto& [key, value] : *texts)
      if (binary->contains(key))
        out.invalid("data[" + std::string{key} + "]", json::value(key),
                    "duplicate of key present in binaryData");
  bytes += validate_keys(config, "binaryData", true);
  // Kubernetes means the whole object by an empty path, and prints it so.
  if (bytes > most_bytes) out.too_long("[]", most_bytes);
}

void validate_config_map_update(const json::value& before, const json::value& after, field_causes& out) {
  judged now{object_of(after), "", out};
  validate_immutable({object_of(before), "", out}, now, {"data", "binaryData"});
}

void validate_secret(const json::value& object, field_causes& out) {
  judged secret{object_of(object), "", out};
  if (validate_keys(secret, "data", true) > most_bytes) out.too_long("data", most_bytes);
  auto type = secret.text("type");
  for (const auto& row : type_rows)
    if (row.type == type) row.judge({secret, object_at(secret.object(), "data")});
}

void validate_secret_update(const json::value& before, const json::value& after, field_causes& out) {
  judged was{object_of(before), "", out}, now{object_of(after), "", out};
  if (was.text("type") != now.text("type")) now.invalid("type", "field is immutable");
  validate_immutable(was, now, {"data"});
}

} // namespace podium::config
