// The three patches of the API: a document and a patch, JSON both. However a patch is made, what comes out is
// bounded.
#include "api/patch.hpp"
#include "config/json.hpp"
#include "fuzz_input.hpp"

using namespace podium;

namespace {

size_t depth_of(const boost::json::value& v) {
  size_t most = 0;
  if (auto* o = v.if_object())
    for (auto& member : *o)
      most = std::max(most, depth_of(member.value()));
  else if (auto* a = v.if_array())
    for (auto& item : *a)
      most = std::max(most, depth_of(item));
  else
    return 0;
  return most + 1;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::input in{data, size};
  auto kind = in.choose(3);
  auto original = config::parse_json(in.text());
  auto patch = config::parse_json(in.rest());
  if (!original || !patch) return 0;
  caf::expected<boost::json::value> after = boost::json::value{};
  if (kind == 0) {
    after = api::merge_patch(original->root, patch->root);
    fuzz::require(api::merge_patch(*after, patch->root) == *after, "a merge patch is idempotent");
  } else if (kind == 1) {
    auto* pod = config::type_of({"", "v1", "Pod"});
    after = api::strategic_merge_patch(original->root, patch->root, pod);
  } else {
    after = api::json_patch(original->root, patch->root);
  }
  if (!after) return 0;
  fuzz::require(depth_of(*after) <= 2 * config::text_limits{}.depth, "no patch nests without limit");
  fuzz::require(boost::json::serialize(*after).size() <= 64u << 20, "no patch grows without limit");
  return 0;
}
