#include "config/field_notes.hpp"

#include "config/schema.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <set>

using namespace podium::config;

BOOST_AUTO_TEST_SUITE(field_notes_suite)

BOOST_AUTO_TEST_CASE(every_note_is_of_a_field_that_exists) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  size_t fields = 0;
  for (const auto& note : all_notes())
    BOOST_TEST_CONTEXT(note.type << "." << note.field) {
      auto name = std::string{note.type};
      const auto* type = find_type(name.find('.') == std::string::npos ? "core.v1." + name : name);
      BOOST_REQUIRE(type != nullptr);
      BOOST_TEST(seen.insert({note.type, note.field}).second);
      BOOST_TEST(note.text.ends_with('.'));
      if (note.field.empty()) continue;
      ++fields;
      BOOST_TEST(type->find(note.field).field != nullptr);
      boost::system::error_code ec;
      if (!note.default_json.empty()) boost::json::parse(note.default_json, ec);
      BOOST_TEST(!ec);
    }
  BOOST_TEST(fields >= 250U);
}

BOOST_AUTO_TEST_CASE(notes_are_found) {
  const auto* note = note_of("core.v1.Probe", "periodSeconds");
  BOOST_REQUIRE(note != nullptr);
  BOOST_TEST(note->default_json == "10");
  BOOST_TEST(note->value_list().empty());
  BOOST_TEST(note_of("core.v1.ContainerPort", "protocol")->value_list().size() == 3U);
  BOOST_TEST(note_of("core.v1.HostPathVolumeSource", "type")->value_list().front() == "");
  BOOST_TEST(note_of("core.v1.Pod")->text.starts_with("One or more"));
  BOOST_TEST(note_of("meta.v1.ObjectMeta", "name") != nullptr);
  BOOST_TEST(note_of("core.v1.Probe", "bogus") == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
