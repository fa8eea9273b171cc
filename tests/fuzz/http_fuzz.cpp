// The pieces of a request that are taken apart by hand.
#include "runtime/http/message.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  (void)podium::http_query::parse(text);
  (void)podium::percent_decode(text, true);
  (void)podium::split_list(text);
  (void)podium::parse_go_bool(text);
  return 0;
}
