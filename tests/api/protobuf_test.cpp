#include "api/protobuf.hpp"
#include "core/error.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
namespace json = boost::json;

namespace {

std::string varint(uint64_t n) {
  std::string out;
  for (; n > 127; n >>= 7)
    out += static_cast<char>((n & 127) | 128);
  return out + static_cast<char>(n);
}
std::string bytes(unsigned number, const std::string& content) {
  return varint(number << 3 | 2) + varint(content.size()) + content;
}
std::string number(unsigned field, uint64_t n) {
  return varint(field << 3) + varint(n);
}
std::string envelope(const std::string& version, const std::string& kind, const std::string& raw) {
  return std::string{"k8s\0", 4} + bytes(1, bytes(1, version) + bytes(2, kind)) + bytes(2, raw) + bytes(3, "")
         + bytes(4, "");
}
std::string read(const std::string& body) {
  auto out = api::read_protobuf(body);
  return out ? json::serialize(out->object) : "error: " + message_of(out.error());
}

} // namespace

BOOST_AUTO_TEST_SUITE(protobuf_suite)

BOOST_AUTO_TEST_CASE(a_namespace_as_kubectl_sends_it) {
  auto meta = bytes(1, "foo") + bytes(2, "") + bytes(3, "") + bytes(5, "") + bytes(6, "") + number(7, 0)
              + bytes(8, "");
  BOOST_TEST(read(envelope("v1", "Namespace", bytes(1, meta) + bytes(2, "") + bytes(3, bytes(1, ""))))
             == R"({"metadata":{"name":"foo"},"apiVersion":"v1","kind":"Namespace"})");
}

BOOST_AUTO_TEST_CASE(a_pod_with_what_is_special) {
  auto label = bytes(11, bytes(1, "a") + bytes(2, "")); // an empty label value is a value
  auto limits = bytes(1, bytes(1, "memory") + bytes(2, bytes(1, "64Mi")));
  auto probe = bytes(1, bytes(2, bytes(1, "/") + bytes(2, number(1, 0) + number(2, 8080) + bytes(3, ""))));
  auto container = bytes(1, "c") + bytes(2, "busybox") + bytes(4, "") + bytes(8, limits) + bytes(10, probe);
  auto volume = bytes(1, bytes(1, "v") + bytes(2, bytes(2, "")));
  auto spec = volume + bytes(2, container) + number(4, 30);
  auto text = read(envelope("v1", "Pod", bytes(1, bytes(1, "p") + label) + bytes(2, spec)));
  auto v = json::parse(text);
  BOOST_TEST(v.at("metadata").at("labels").at("a") == json::value(""));
  auto& c = v.at("spec").at("containers").at(0);
  BOOST_TEST(c.at("args") == json::value(json::array{""}));
  BOOST_TEST(c.at("resources").at("limits").at("memory") == json::value("64Mi"));
  BOOST_TEST(c.at("livenessProbe").at("httpGet").at("port") == json::value(8080));
  BOOST_TEST(v.at("spec").at("volumes").at(0).at("emptyDir") == json::value(json::object{}));
  BOOST_TEST(v.at("spec").at("terminationGracePeriodSeconds") == json::value(30));
}

BOOST_AUTO_TEST_CASE(broken_bytes_are_refused) {
  BOOST_TEST(read("{}").starts_with("error: provided data does not appear"));
  BOOST_TEST(read(envelope("apps/v9", "Nope", "")) == "error: no protobuf form of apps/v9 Nope is known");
  auto good = envelope("v1", "Namespace", bytes(1, bytes(1, "foo")));
  for (size_t cut = 5; cut < good.size() - 4; ++cut) {
    auto out = api::read_protobuf(std::string_view{good}.substr(0, cut));
    BOOST_TEST((!out || out->gvk.kind != "Namespace" || out->object.is_object()));
  }
  std::string deep;
  for (int i = 0; i < 10'000; ++i)
    deep = bytes(1, deep).substr(0, 60'000);
  BOOST_TEST(!read(envelope("v1", "Pod", deep)).empty());
  BOOST_TEST(read(envelope("v1", "Namespace", number(1, 5))).starts_with("error: the protobuf message"));
}

BOOST_AUTO_TEST_SUITE_END()
