// Server-side apply: sets of fields, comparisons, and configurations applied to objects. What is applied
// twice is applied once, and the laws of sets hold whatever the documents are.
#include "api/managed_fields.hpp"
#include "config/decode.hpp"
#include "config/json.hpp"
#include "fuzz_input.hpp"

using namespace podium;
namespace json = boost::json;

namespace {

const config::group_version_kind pod{"", "v1", "Pod"};

void sets(std::string_view first, std::string_view second) {
  auto a_text = config::parse_json(first), b_text = config::parse_json(second);
  if (!a_text || !b_text) return;
  auto a = config::parse_fields_v1(a_text->root), b = config::parse_fields_v1(b_text->root);
  if (!a || !b) return;
  auto again = config::parse_fields_v1(config::to_fields_v1(*a));
  fuzz::require(again && *again == *a, "a set is read as it was written");
  auto rest = config::subtract(*a, *b), both = config::intersect(*a, *b);
  fuzz::require(both == config::intersect(*b, *a), "what two sets share is the same both ways");
  fuzz::require(config::intersect(rest, *b).empty(), "what was taken away is gone");
  config::unite(rest, both);
  fuzz::require(rest == *a, "a set is what it shares and what it does not");
  config::each_path(*a,
                    [](const std::string& path) { fuzz::require(!path.empty(), "a path says something"); });
}

/// A document as the API would store it, or null.
json::value stored(std::string_view text) {
  auto document = config::parse_json(text);
  if (!document) return nullptr;
  auto decoded = config::decode(*document, pod, config::field_validation::ignore);
  if (!decoded.ok() || !decoded.object.is_object()) return nullptr;
  return std::move(decoded.object);
}

api::field_write writer(std::string manager) {
  api::field_write out;
  out.gvk = pod;
  out.type = config::type_of(pod);
  out.manager = std::move(manager);
  out.time = "2026-01-01T00:00:00Z";
  out.ignored = config::make_field_set({"status"});
  return out;
}

void comparisons(std::string_view first, std::string_view second) {
  auto a = stored(first), b = stored(second);
  if (a.is_null() || b.is_null()) return;
  auto& type = *config::type_of(pod);
  auto there = config::compare(a, b, type), back = config::compare(b, a, type);
  fuzz::require(there.added == back.removed && there.removed == back.added,
                "what comes one way goes the other");
  fuzz::require(there.modified == back.modified, "what is modified is so both ways");
  fuzz::require(config::compare(a, a, type).empty(), "nothing differs from itself");
  auto after = b;
  api::track_update(a, after, writer("m"), false);
  fuzz::require(after.as_object().contains("metadata"), "the book-keeping has a place");
}

void applies(bool force, std::string_view live_text, std::string_view wish_text) {
  auto live = stored(live_text);
  auto wish = config::parse_json(wish_text);
  if (live.is_null() || !wish || !wish->root.is_object()) return;
  if (!config::configuration_problems(wish->root, *config::type_of(pod)).empty()) return;
  auto once = api::apply_configuration(live, wish->root, writer("kubectl"), force);
  if (!once || !once->conflicts.empty()) return;
  fuzz::require(!!api::read_managers(once->document), "what is written can be read");
  auto twice = api::apply_configuration(once->document, wish->root, writer("kubectl"), false);
  fuzz::require(twice && twice->conflicts.empty(), "who has applied may apply again");
  fuzz::require(twice->document == once->document, "what is applied twice is applied once");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::input in{data, size};
  auto kind = in.choose(4);
  auto first = in.text();
  if (kind == 0) sets(first, in.rest());
  if (kind == 1) comparisons(first, in.rest());
  if (kind >= 2) applies(kind == 3, first, in.rest());
  return 0;
}
