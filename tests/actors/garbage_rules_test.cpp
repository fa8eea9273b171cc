#include "actors/garbage_rules.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
using namespace podium::garbage_rules;
namespace json = boost::json;

namespace {

object object_of(std::string_view metadata) {
  return {{"pods", "default", "p"}, 5, json::value{{"kind", "Pod"}, {"metadata", json::parse(metadata)}}};
}

/// "what text uid,uid"
std::string shown(const decision& d) {
  constexpr const char* names[]{
      "none",    "look_up_owners", "look_up_dependents", "orphan_dependents", "release", "drop_owners",
      "unblock", "remove"};
  auto out =
      std::string{names[static_cast<size_t>(d.what)]} + (d.text.empty() ? "" : " ") + std::string{d.text};
  for (auto& uid : d.uids)
    out += " " + uid;
  return out;
}

constexpr auto present = owner_state::present, waiting = owner_state::waiting, absent = owner_state::absent,
               unseen = owner_state::unseen, unknown = owner_state::unknown;

struct row {
  const char* what;
  facts given;
  std::string then;
};

} // namespace

BOOST_AUTO_TEST_SUITE(garbage_rules_suite)

BOOST_AUTO_TEST_CASE(what_is_done_about_an_object) {
  const row rows[] = {
      {"owned by nobody", {}, "none"},
      {"its owner is there", {.owners = {{"a", present}}}, "none"},
      {"its owner is gone", {.owners = {{"a", absent}}}, "remove Background"},
      {"all its owners are gone", {.owners = {{"a", absent}, {"b", absent}}}, "remove Background"},
      {"one owner is gone", {.owners = {{"a", absent}, {"b", present}}}, "drop_owners a"},
      {"one owner is going, and waits", {.owners = {{"a", waiting, true}, {"b", present}}}, "drop_owners a"},
      {"one uid, under two names", {.owners = {{"a", absent}, {"a", present}}}, "none"},
      {"an owner may not be known yet", {.owners = {{"a", absent}, {"b", unseen}}}, "look_up_owners"},
      {"an owner of an unknown kind", {.owners = {{"a", absent}, {"b", unknown}}}, "none"},
      {"its owner waits for it", {.owners = {{"a", waiting, true}}}, "remove Background"},
      {"and it has dependents", {.owners = {{"a", waiting, true}}, .dependents = 1}, "remove Foreground"},
      {"they wait, in a circle",
       {.owners = {{"a", waiting, true}}, .dependents = 1, .circle = true},
       "unblock"},
      {"the circle is open",
       {.owners = {{"a", waiting, false}}, .dependents = 1, .circle = true},
       "remove Foreground"},
      {"what it was marked with counts", {.orphans = true, .owners = {{"a", absent}}}, "remove Orphan"},
      {"the other mark, too", {.waits = true, .owners = {{"a", absent}}}, "remove Foreground"},
      {"a mark alone does nothing", {.waits = true, .orphans = true}, "none"},
      {"going already", {.deleting = true, .owners = {{"a", absent}}}, "none"},
      {"waits for one that blocks",
       {.deleting = true, .waits = true, .dependents = 2, .blocking = 1},
       "none"},
      {"waits for none, it seems", {.deleting = true, .waits = true, .dependents = 2}, "look_up_dependents"},
      {"waits for none",
       {.deleting = true, .waits = true, .dependents = 2, .looked = true},
       "release foregroundDeletion"},
      {"lets them stay",
       {.deleting = true, .orphans = true, .dependents = 1, .looked = true},
       "orphan_dependents"},
      {"has nobody to let stay, it seems", {.deleting = true, .orphans = true}, "look_up_dependents"},
      {"has nobody to let stay", {.deleting = true, .orphans = true, .looked = true}, "release orphan"},
  };
  for (auto& [what, given, then] : rows)
    BOOST_TEST_CONTEXT(what) BOOST_TEST(shown(decide(given)) == then);
}

BOOST_AUTO_TEST_CASE(what_an_object_says_of_itself) {
  auto f = facts_of(object_of(R"({"deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["x/y","orphan"],
      "ownerReferences":[{"uid":"a"},{"uid":"b","blockOwnerDeletion":true}]})"));
  BOOST_TEST(f.deleting);
  BOOST_TEST(f.orphans);
  BOOST_TEST(!f.waits);
  BOOST_REQUIRE(f.owners.size() == 2u);
  BOOST_TEST(f.owners[0].uid == "a");
  BOOST_TEST(!f.owners[0].blocks);
  BOOST_TEST(f.owners[1].blocks);
  BOOST_TEST(!is_waiting(object_of(R"({"finalizers":["foregroundDeletion"]})")));
  BOOST_TEST(is_waiting(
      object_of(R"({"deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["foregroundDeletion"]})")));
}

BOOST_AUTO_TEST_CASE(what_is_taken_out_of_a_document) {
  auto of =
      object_of(R"({"finalizers":["x/y","orphan"],"ownerReferences":[{"uid":"a","blockOwnerDeletion":true},
      {"uid":"b"}]})");
  auto at = [](const json::value& v, std::string_view pointer) {
    boost::system::error_code ec;
    auto* found = v.find_pointer(pointer, ec);
    return found ? json::serialize(*found) : "";
  };
  BOOST_TEST(at(without_finalizer(of, "orphan"), "/metadata/finalizers") == R"(["x/y"])");
  BOOST_TEST(at(without_owners(of, std::vector<std::string>{"a"}), "/metadata/ownerReferences")
             == R"([{"uid":"b"}])");
  BOOST_TEST(at(without_owners(of, std::vector<std::string>{"a", "b"}), "/metadata/ownerReferences") == "");
  BOOST_TEST(at(unblocked(of), "/metadata/ownerReferences/0/blockOwnerDeletion") == "false");
}

BOOST_AUTO_TEST_SUITE_END()
