// Requests with mistakes and the answers they get; good manifests by protobuf.
#include "api/protobuf.hpp"
#include "config/decode.hpp"
#include "config/defaults.hpp"
#include "tests/api/api_world.hpp"
#include "tests/api/protobuf_writer.hpp"
#include "tests/config/corpus.hpp"

using namespace podium;
using namespace podium::test;

namespace {

/// The answer in the lines of the corpus: code, reason and message; causes; warnings.
std::vector<std::string> lines_of(const reply& r) {
  std::vector<std::string> out;
  bool failed = r.status >= 400;
  out.push_back(std::to_string(r.status)
                + (failed ? " " + r.at("/reason") + " " + one_line(r.at("/message")) : std::string{}));
  for (const auto& text : r.headers.get_all("Warning")) {
    std::string plain;
    for (size_t i = text.find('"') + 1; i + 1 < text.size(); ++i)
      if (text[i] != '\\') plain += text[i];
    out.push_back("warning " + plain);
  }
  return out;
}

std::vector<std::string> causes_of(const reply& r) {
  std::vector<std::string> out;
  auto body = r.json();
  boost::system::error_code ec;
  auto* causes = body.find_pointer("/details/causes", ec);
  if (causes != nullptr && causes->is_array())
    for (const auto& cause : causes->get_array())
      out.push_back("cause " + reply::text_at(cause, "/reason") + " " + reply::text_at(cause, "/field"));
  return out;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& line : lines)
    out += "\n    " + line;
  return out;
}

/// "\xff" in a body is that byte.
std::string with_bytes(std::string body) {
  for (size_t at; (at = body.find("\\xff")) != std::string::npos;)
    body.replace(at, 4, "\xff");
  while (body.ends_with('\n'))
    body.pop_back();
  return body;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(corpus_suite, api_world)

BOOST_AUTO_TEST_CASE(bad_requests) {
  auto cases = read_corpus("tests/api/corpus");
  BOOST_TEST(cases.size() >= 50U);
  BOOST_REQUIRE(post(pods, pod_text("p")).status == 201);
  for (const auto& c : cases)
    BOOST_TEST_CONTEXT(c.title) {
      auto end = c.text.find('\n');
      std::istringstream first{c.text.substr(0, end)};
      std::string method, path, type;
      first >> method >> path >> type;
      header_list headers;
      if (!type.empty()) headers.emplace_back("Content-Type", "application/" + type);
      auto answer = send(method, path, with_bytes(c.text.substr(end + 1)), headers);
      auto found = lines_of(answer);
      if (c.expected.size() > 1 && c.expected[1].starts_with("cause "))
        for (auto& cause : causes_of(answer))
          found.push_back(cause);
      bool same = found.size() == c.expected.size();
      for (size_t i = 0; same && i < found.size(); ++i)
        same = matches_pattern(found[i], c.expected[i]);
      BOOST_TEST(same, "is" << joined(found) << "\n  not" << joined(c.expected));
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(protobuf_corpus_suite)

/// Without what protobuf cannot tell from nothing: empty texts and resources; and without managed fields,
/// which no client gives.
json::value plain(const json::value& value, bool in_map) {
  if (const auto* object = value.if_object()) {
    json::object out;
    for (const auto& [key, inner] : *object) {
      bool is_text_map = key == "labels" || key == "annotations" || key == "nodeSelector"
                         || key == "matchLabels" || key == "data" || key == "binaryData";
      auto kept = plain(inner, is_text_map);
      bool is_pointer = key == "storageClassName"; // of claims: no class is another wish than none given
      bool empty_text = kept.is_string() && kept.get_string().empty() && !in_map && !is_pointer;
      bool unset = key == "resources" && kept.is_object() && kept.get_object().empty();
      if (!empty_text && !unset && key != "managedFields") out.emplace(key, std::move(kept));
    }
    return out;
  }
  if (const auto* list = value.if_array()) {
    json::array out;
    for (const auto& item : *list)
      out.push_back(plain(item, false));
    return out;
  }
  return value;
}

BOOST_AUTO_TEST_CASE(nothing_is_lost_on_the_way_through_protobuf) {
  for (const auto& m : read_good_manifests())
    BOOST_TEST_CONTEXT(m.name) {
      auto read = config::decode(m.doc);
      BOOST_REQUIRE(read && read->ok());
      auto bytes = write_protobuf(read->gvk, read->object.as_object());
      auto back = api::read_protobuf(bytes);
      auto why = back ? std::string{} : message_of(back.error());
      BOOST_REQUIRE_MESSAGE(why.empty(), why);
      config::document doc;
      doc.root = back->object;
      doc.places = std::make_shared<config::place_table>();
      auto again = config::decode(doc, read->gvk);
      BOOST_REQUIRE_MESSAGE(again.ok(), config::api_message(again));
      std::vector<std::string> lost;
      find_lost(plain(read->object, false), plain(again.object, false), "", lost);
      BOOST_TEST(lost.empty(), joined(lost));
      find_lost(plain(again.object, false), plain(read->object, false), "", lost);
      BOOST_TEST(lost.empty(), "more than was given:" << joined(lost));
    }
}

BOOST_AUTO_TEST_SUITE_END()
