#include "config/schema.hpp"

#include <boost/test/unit_test.hpp>
#include <set>

using namespace podium::config;

BOOST_AUTO_TEST_SUITE(schema_suite)

BOOST_AUTO_TEST_CASE(every_kind_has_a_type) {
  for (const auto& kind : all_kinds())
    BOOST_TEST(find_type(kind.type_name) != nullptr, kind.kind);
  BOOST_TEST(type_of({"", "v1", "Pot"}) == nullptr);
  BOOST_TEST(type_of({"policy", "v1", "DeleteOptions"}) != nullptr);
}

BOOST_AUTO_TEST_CASE(rows_are_whole) {
  std::set<std::pair<std::string_view, std::string_view>> names;
  std::set<std::pair<std::string_view, int>> numbers;
  for (const auto& field : all_fields()) {
    BOOST_TEST_CONTEXT(field.owner << "." << field.name) {
      BOOST_TEST(names.emplace(field.owner, field.name).second);
      BOOST_TEST(numbers.emplace(field.owner, field.number).second);
      BOOST_TEST(field.number > 0);
      BOOST_TEST((field.kind == value_kind::object) == (field.object != nullptr));
      if (!field.merge_key.empty()) BOOST_TEST((field.object->find(field.merge_key).field != nullptr));
      if (field.has(f_inlined)) BOOST_TEST((field.object != nullptr));
    }
  }
  BOOST_TEST(all_fields().size() > 800);
}

BOOST_AUTO_TEST_CASE(fields_are_found) {
  const auto* container = find_type("core.v1.Container");
  BOOST_REQUIRE(container != nullptr);
  auto ports = container->find("ports");
  BOOST_REQUIRE(ports.field != nullptr);
  BOOST_TEST(ports.field->number == 6);
  BOOST_TEST(ports.field->merge_key == "containerPort");
  BOOST_TEST(ports.field->list_keys == "containerPort,protocol");
  BOOST_TEST((ports.field->shape == field_shape::list));
  BOOST_TEST(ports.field->object->short_name == "ContainerPort");
  BOOST_TEST(container->find("port").field == nullptr);
  BOOST_TEST(container->find_number(6) == ports.field);
  BOOST_TEST(container->find_number(999) == nullptr);
}

BOOST_AUTO_TEST_CASE(embedded_messages_are_flat_in_json) {
  const auto* probe = find_type("core.v1.Probe");
  BOOST_REQUIRE(probe != nullptr);
  auto exec = probe->find("exec");
  BOOST_REQUIRE(exec.field != nullptr);
  BOOST_TEST(exec.inlined_under == 1);
  BOOST_TEST(probe->find("handler").field == nullptr);
  BOOST_TEST(find_type("core.v1.Volume")->find("emptyDir").inlined_under == 2);
  BOOST_TEST(find_type("core.v1.EphemeralContainer")->find("image").inlined_under == 1);
}

BOOST_AUTO_TEST_CASE(names_of_kinds) {
  auto gvk = make_gvk("events.k8s.io/v1", "Event");
  BOOST_TEST(gvk.group == "events.k8s.io");
  BOOST_TEST(gvk.api_version() == "events.k8s.io/v1");
  BOOST_TEST(make_gvk("v1", "Pod").api_version() == "v1");
}

BOOST_AUTO_TEST_SUITE_END()
