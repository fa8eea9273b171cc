// Bodies in Kubernetes' protobuf form.
#include "api/protobuf.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)podium::api::read_protobuf({reinterpret_cast<const char*>(data), size});
  return 0;
}
