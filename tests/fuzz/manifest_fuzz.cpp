// Manifests from anywhere: YAML or JSON text, decoding, defaults, validation. What decodes must print as JSON
// that decodes to the same object again, and defaults must settle at once.
#include "config/decode.hpp"
#include "config/defaults.hpp"
#include "config/validate.hpp"
#include "config/yaml.hpp"
#include "fuzz_input.hpp"

using namespace podium;
using namespace podium::config;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  text_limits limits;
  limits.bytes = 64 * 1024;
  auto documents = parse_manifest(fuzz::input{data, size}.rest(), "fuzz", limits);
  if (!documents) return 0;
  for (auto& doc : *documents) {
    auto object = decode(doc);
    if (!object || !object->ok()) continue;
    auto again = parse_manifest(json::serialize(object->object), "again", {});
    fuzz::require(again && again->size() == 1, "what decodes prints as one document");
    auto twice = decode(again->front());
    fuzz::require(twice && twice->ok() && twice->object == object->object, "what decodes decodes to itself");
    auto filled = object->object;
    apply_defaults(object->gvk, filled);
    auto settled = filled;
    apply_defaults(object->gvk, settled);
    fuzz::require(settled == filled, "defaults are idempotent");
    for (auto& cause : validate(object->gvk, filled))
      fuzz::require(!cause.message.empty(), "a mistake has words");
    (void)validate_update(object->gvk, object->object, filled);
  }
  return 0;
}
