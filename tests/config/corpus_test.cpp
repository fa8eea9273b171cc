// Bad manifests and the answers they get; good ones, of which nothing is lost.
#include "config/defaults.hpp"
#include "config/json.hpp"
#include "config/json_access.hpp"
#include "config/manifest.hpp"
#include "config/yaml.hpp"
#include "corpus.hpp"
#include "why.hpp"

#include <boost/test/unit_test.hpp>
#include <set>
#include <sstream>

using namespace podium;
using namespace podium::config;

namespace {

using lines = std::vector<std::string>;

/// The lines of an error that begins each with "case:"; without it.
lines located(const std::string& message) {
  lines out;
  std::istringstream in{message};
  for (std::string line; std::getline(in, line);)
    out.push_back(line.starts_with("case:") ? line.substr(5) : "without a place: " + line);
  return out;
}

/// "3:4: text" without "3:4: ".
std::string unplaced(const std::string& line) {
  auto end = line.find(": ");
  return end == std::string::npos ? line : line.substr(end + 2);
}

lines told(const field_causes& causes) {
  lines out;
  for (const auto& cause : causes)
    out.push_back(test::one_line(cause.field + ": " + cause.message));
  return out;
}

json::value filled(const decoded& from) {
  auto out = from.object;
  apply_defaults(from.gvk, out);
  return out;
}

lines judge_update(const std::vector<document>& docs) {
  auto before = decode(docs[0]), after = decode(docs[1]);
  if (!before || !after || !before->ok() || !after->ok()) return {"both versions must be readable"};
  return told(validate_update(after->gvk, filled(*before), filled(*after)));
}

/// All that is wrong with a text, one line each.
lines judge(const std::string& text) {
  auto docs = parse_manifest(text, "case");
  if (!docs) return located(message_of(docs.error()));
  if (docs->size() == 2) return judge_update(*docs);
  const auto& doc = docs->front();
  if (text_at(doc.root, "kind") == "List") {
    auto out = located(test::why(load_manifests(text, "case")));
    std::transform(out.begin(), out.end(), out.begin(), unplaced);
    return out;
  }
  auto read = decode(doc);
  if (!read) return located(message_of(read.error()));
  lines out;
  for (const auto& problem : read->errors)
    out.push_back("decode: " + problem.text);
  for (const auto& problem : read->strict_errors)
    out.push_back("strict: " + problem.text);
  return out.empty() ? told(validate(read->gvk, filled(*read))) : out;
}

std::string joined(const lines& all) {
  std::string out;
  for (const auto& line : all)
    out += "\n    " + line;
  return out;
}

/// `podium check` tells the same, each mistake with its line and column.
void check_places(const test::corpus_case& c, size_t mistakes) {
  auto told_of_file = located(test::why(load_manifests(c.text, "case")));
  BOOST_TEST(told_of_file.size() == mistakes, joined(told_of_file));
  for (const auto& line : told_of_file) {
    size_t at = line.find_first_not_of("0123456789");
    bool placed = at > 0 && at < line.size() && line[at] == ':'
                  && std::isdigit(static_cast<unsigned char>(line[at + 1]));
    BOOST_TEST(placed, line);
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(corpus_suite)

BOOST_AUTO_TEST_CASE(bad_manifests) {
  auto cases = test::read_corpus("tests/config/corpus/bad");
  BOOST_TEST(cases.size() >= 150U);
  std::set<std::string> titles;
  for (const auto& c : cases)
    BOOST_TEST_CONTEXT(c.file << ": " << c.title) {
      BOOST_TEST(titles.insert(c.file + c.title).second);
      auto found = judge(c.text);
      bool same = !found.empty() && found.size() == c.expected.size();
      for (size_t i = 0; same && i < found.size(); ++i)
        same = test::matches_pattern(found[i], c.expected[i]);
      BOOST_TEST(same, "is" << joined(found) << "\n  not" << joined(c.expected));
      if (c.file != "updates.txt") check_places(c, c.expected.size());
    }
}

BOOST_AUTO_TEST_CASE(good_manifests) {
  auto manifests = test::read_good_manifests();
  BOOST_TEST(manifests.size() >= 60U);
  std::set<std::string> used;
  for (const auto& m : manifests)
    BOOST_TEST_CONTEXT(m.name) {
      const auto& given = m.doc.root;
      auto read = decode(m.doc);
      BOOST_REQUIRE_MESSAGE(read, test::why(read));
      BOOST_REQUIRE_MESSAGE(read->ok(), api_message(*read));
      auto object = filled(*read);
      // Ephemeral containers come later than their pod.
      const auto* spec = object_at(given, "spec");
      bool is_old = spec != nullptr && has(*spec, "ephemeralContainers");
      auto causes = is_old ? validate_update(read->gvk, object, object) : validate(read->gvk, object);
      BOOST_TEST(causes.empty(), joined(told(causes)));
      lines lost;
      test::find_lost(given, object, "", lost);
      BOOST_TEST(lost.empty(), joined(lost));
      auto again = parse_json(json::serialize(object));
      BOOST_REQUIRE(again);
      auto second = decode(*again);
      BOOST_REQUIRE(second && second->ok());
      BOOST_TEST((filled(*second) == object));
      test::note_fields(given, *type_of(read->gvk), used);
    }
  lines unused;
  for (const auto* root :
       {"core.v1.Pod", "core.v1.Node", "core.v1.Namespace", "core.v1.Event", "events.v1.Event"})
    test::find_unused(*find_type(root), used, unused);
  BOOST_TEST(unused.empty(), "no good manifest has" << joined(unused));
}

BOOST_AUTO_TEST_SUITE_END()
