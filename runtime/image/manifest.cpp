#include "runtime/image/manifest.hpp"
#include "core/error.hpp"
#include "runtime/image/reference.hpp"
#include <boost/json.hpp>
#include <stdexcept>

namespace podium {

namespace json = boost::json;

namespace {

constexpr size_t max_layers = 500;
constexpr size_t max_list = 10'000;

// Inside this file a malformed document is an exception; the public functions turn it into an error.
struct malformed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

json::value parse(std::string_view text) {
  if (text.size() > max_document_bytes) throw malformed("it is too large");
  json::error_code ec;
  auto value = json::parse({text.data(), text.size()}, ec, {}, {.max_depth = 32});
  if (ec) throw malformed("it is no JSON: " + ec.message());
  return value;
}

const json::object& as_object(const json::value& v, const char* what) {
  if (auto* o = v.if_object()) return *o;
  throw malformed(std::string{what} + " is no object");
}

std::string text_at(const json::object& o, const char* key) {
  auto* v = o.if_contains(key);
  if (!v || v->is_null()) return {};
  if (auto* s = v->if_string()) return std::string{s->begin(), s->end()};
  throw malformed(std::string{key} + " is no string");
}

std::vector<std::string> texts_at(const json::object& o, const char* key) {
  auto* v = o.if_contains(key);
  if (!v || v->is_null()) return {};
  auto* list = v->if_array();
  if (!list || list->size() > max_list) throw malformed(std::string{key} + " is no list of strings");
  std::vector<std::string> result;
  for (auto& item : *list) {
    auto* s = item.if_string();
    if (!s) throw malformed(std::string{key} + " is no list of strings");
    // These become arguments and environment of a process.
    if (s->find('\0') != json::string::npos) throw malformed(std::string{key} + " holds a NUL character");
    result.emplace_back(s->begin(), s->end());
  }
  return result;
}

blob_descriptor descriptor(const json::value& v, const char* what) {
  auto& o = as_object(v, what);
  blob_descriptor result;
  result.media_type = text_at(o, "mediaType");
  result.digest = text_at(o, "digest");
  if (!is_sha256_digest(result.digest)) throw malformed(std::string{what} + " has no sha256 digest");
  if (auto* size = o.if_contains("size"); size && size->is_int64()) result.size_bytes = size->as_int64();
  if (auto* notes = o.if_contains("annotations"); notes && notes->is_object())
    result.ref_name = text_at(notes->as_object(), "org.opencontainers.image.ref.name");
  return result;
}

const json::array& list_at(const json::object& o, const char* key, size_t limit) {
  auto* v = o.if_contains(key);
  auto* list = v ? v->if_array() : nullptr;
  if (!list) throw malformed("it has no list of " + std::string{key});
  if (list->size() > limit) throw malformed("it has more than " + std::to_string(limit) + " " + key);
  return *list;
}

template <class F>
auto guarded(const char* what, F f) -> caf::expected<decltype(f())> {
  try {
    return f();
  } catch (const std::exception& e) {
    return make_error(errc::image_pull, std::string{what} + " is malformed: " + e.what());
  }
}

} // namespace

caf::expected<std::vector<blob_descriptor>> parse_layout_index(std::string_view text) {
  return guarded("the layout's index.json", [&] {
    auto doc = parse(text);
    std::vector<blob_descriptor> result;
    for (auto& item : list_at(as_object(doc, "the document"), "manifests", max_list))
      result.push_back(descriptor(item, "a manifest"));
    return result;
  });
}

caf::expected<image_manifest> parse_manifest(std::string_view text) {
  return guarded("the image's manifest", [&] {
    auto doc = parse(text);
    auto& o = as_object(doc, "the document");
    image_manifest result;
    auto* config = o.if_contains("config");
    if (!config) throw malformed("it has no config");
    result.config = descriptor(*config, "config");
    for (auto& item : list_at(o, "layers", max_layers)) {
      auto layer = descriptor(item, "a layer");
      if (layer.media_type.find("tar") == std::string::npos || layer.media_type.ends_with("+encrypted"))
        throw malformed("layer " + layer.digest + " is of the unknown type \"" + layer.media_type + "\"");
      result.layers.push_back(std::move(layer));
    }
    return result;
  });
}

caf::expected<image_document> parse_image_document(std::string_view text) {
  return guarded("the image's configuration", [&] {
    auto doc = parse(text);
    auto& o = as_object(doc, "the document");
    image_document result;
    auto* rootfs = o.if_contains("rootfs");
    if (!rootfs) throw malformed("it has no rootfs: it is no container image");
    result.diff_ids = texts_at(as_object(*rootfs, "rootfs"), "diff_ids");
    for (auto& id : result.diff_ids)
      if (!is_sha256_digest(id)) throw malformed("a diff id is no sha256 digest");
    if (auto* part = o.if_contains("config"); part && !part->is_null()) {
      auto& c = as_object(*part, "config");
      result.config = {.entrypoint = texts_at(c, "Entrypoint"),
                       .cmd = texts_at(c, "Cmd"),
                       .env = texts_at(c, "Env"),
                       .user = text_at(c, "User"),
                       .working_dir = text_at(c, "WorkingDir"),
                       .stop_signal = text_at(c, "StopSignal"),
                       .exposed_ports = {}};
      if (auto* ports = c.if_contains("ExposedPorts"); ports && ports->is_object())
        for (auto& [port, ignored] : ports->as_object())
          result.config.exposed_ports.emplace_back(port);
    }
    return result;
  });
}

std::optional<blob_descriptor> find_in_layout(const std::vector<blob_descriptor>& index,
                                              const std::string& name, const std::string& tag,
                                              const std::string& digest) {
  if (!digest.empty()) {
    for (auto& d : index)
      if (d.digest == digest) return d;
    return std::nullopt;
  }
  for (auto& d : index)
    if (d.ref_name == name + ":" + tag) return d;
  for (auto& d : index)
    if (d.ref_name == tag) return d;
  return std::nullopt;
}

} // namespace podium
