// What a registry and an image may hold: documents, names, and the files that say who a user is. A parsed
// name's full text must parse to the same name.
#include "fuzz_input.hpp"
#include "runtime/image/manifest.hpp"
#include "runtime/image/reference.hpp"
#include "runtime/oci/user.hpp"

using namespace podium;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::input in{data, size};
  switch (in.choose(5)) {
  case 0:
    if (auto index = parse_layout_index(in.rest()))
      for (auto& entry : *index)
        fuzz::require(is_sha256_digest(entry.digest) && entry.size_bytes >= 0, "descriptors are checked");
    break;
  case 1:
    if (auto manifest = parse_manifest(in.rest()))
      for (auto& layer : manifest->layers)
        fuzz::require(is_sha256_digest(layer.digest) && layer.size_bytes >= 0, "descriptors are checked");
    break;
  case 2:
    (void)parse_image_document(in.rest());
    break;
  case 3: {
    auto user = in.text(), passwd = in.text();
    (void)resolve_user({}, {}, user, passwd, in.rest());
    break;
  }
  default:
    if (auto name = parse_image_reference(in.rest())) {
      auto again = parse_image_reference(name->text());
      fuzz::require(again && *again == *name, "a name's full text is the same name");
    }
  }
  return 0;
}
