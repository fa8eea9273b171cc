// Bodies in Kubernetes' protobuf form, and what the API makes of them.
#include "api/protobuf.hpp"
#include "config/decode.hpp"
#include "fuzz_input.hpp"

using namespace podium;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto body = api::read_protobuf(fuzz::input{data, size}.rest());
  if (!body) return 0;
  fuzz::require(body->object.is_object(), "a body is an object");
  config::document doc;
  doc.root = std::move(body->object);
  auto object = config::decode(doc, body->gvk);
  fuzz::require(object.ok() == config::api_message(object).empty(), "what is refused is explained");
  return 0;
}
