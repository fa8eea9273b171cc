// What a registry may answer, and image names. A parsed name's full text must parse to the same name.
#include "runtime/image/manifest.hpp"
#include "runtime/image/reference.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  switch (data[0] % 4) {
  case 0:
    (void)podium::parse_layout_index(text);
    break;
  case 1:
    (void)podium::parse_manifest(text);
    break;
  case 2:
    (void)podium::parse_image_document(text);
    break;
  default:
    if (auto name = podium::parse_image_reference(text)) {
      auto again = podium::parse_image_reference(name->text());
      if (!again || *again != *name) std::abort();
    }
  }
  return 0;
}
