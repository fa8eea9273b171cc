// Manifests from anywhere: YAML or JSON text, decoding, defaults, validation. What decodes must print as JSON
// that decodes to the same object again.
#include "config/decode.hpp"
#include "config/defaults.hpp"
#include "config/validate.hpp"
#include "config/yaml.hpp"

#include <cstdint>
#include <cstdlib>

using namespace podium::config;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  text_limits limits;
  limits.bytes = 64 * 1024;
  auto documents = parse_manifest({reinterpret_cast<const char*>(data), size}, "fuzz", limits);
  if (!documents) return 0;
  for (auto& doc : *documents) {
    auto object = decode(doc);
    if (!object || !object->ok()) continue;
    auto again = parse_manifest(boost::json::serialize(object->object), "again", {});
    if (!again || again->size() != 1) std::abort();
    auto twice = decode(again->front());
    if (!twice || !twice->ok() || twice->object != object->object) std::abort();
  }
  return 0;
}
