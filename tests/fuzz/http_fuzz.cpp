// The pieces of a request that are taken apart by hand.
#include "fuzz_input.hpp"
#include "runtime/http/message.hpp"

using namespace podium;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::input in{data, size};
  auto text = in.rest();
  if (auto plain = percent_decode(text, true))
    fuzz::require(plain->size() <= text.size(), "decoding never makes a text longer");
  if (auto query = http_query::parse(text))
    for (auto& [name, value] : query->pairs())
      fuzz::require(query->get(name).has_value() && !query->get_all(name).empty(),
                    "what was parsed is found");
  for (auto& item : split_list(text))
    fuzz::require(!item.empty() && has_token(text, item), "an item of a list is one of its tokens");
  (void)parse_go_bool(text);
  return 0;
}
