#include "core/error.hpp"
#include "runtime/image/reference.hpp"
#include <boost/test/unit_test.hpp>

using namespace podium;

BOOST_AUTO_TEST_SUITE(image_reference_suite)

namespace {

const std::string hex64(64, 'a');

} // namespace

BOOST_AUTO_TEST_CASE(normalises) {
  const std::pair<std::string, std::string> table[] = {
      {"busybox", "docker.io/library/busybox:latest"},
      {"busybox:1.36", "docker.io/library/busybox:1.36"},
      {"library/busybox", "docker.io/library/busybox:latest"},
      {"docker.io/busybox", "docker.io/library/busybox:latest"},
      {"index.docker.io/busybox", "docker.io/library/busybox:latest"},
      {"me/app:v1", "docker.io/me/app:v1"},
      {"localhost/app", "localhost/app:latest"},
      {"localhost:5000/app", "localhost:5000/app:latest"},
      {"localhost:5000/app:x", "localhost:5000/app:x"},
      {"registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"},
      {"127.0.0.1:5501/a/b/c", "127.0.0.1:5501/a/b/c:latest"},
      {"[::1]:5000/app:v2", "[::1]:5000/app:v2"},
      {"[fd00::1]/app", "[fd00::1]/app:latest"},
      {"Host/app", "Host/app:latest"},
      {"a__b/c.d-e---f", "docker.io/a__b/c.d-e---f:latest"},
      {"busybox@sha256:" + hex64, "docker.io/library/busybox@sha256:" + hex64},
      {"busybox:1@sha256:" + hex64, "docker.io/library/busybox:1@sha256:" + hex64},
  };
  for (auto& [in, out] : table) {
    auto ref = parse_image_reference(in);
    BOOST_REQUIRE_MESSAGE(ref, in);
    BOOST_TEST(ref->text() == out);
    auto again = parse_image_reference(ref->text());
    BOOST_REQUIRE(again);
    BOOST_TEST((*again == *ref));
  }
}

BOOST_AUTO_TEST_CASE(refuses) {
  const std::string table[] = {"",
                               " ",
                               "Busybox",
                               "busybox:",
                               "busybox:-x",
                               "busybox:" + std::string(129, 'a'),
                               "/busybox",
                               "busybox/",
                               "a//b",
                               "a___b",
                               "a..b",
                               "-a",
                               "a-",
                               "busy box",
                               "busybox@sha256:abc",
                               "busybox@sha512:" + hex64 + hex64,
                               "busybox@",
                               "host.io:port/app",
                               "host.io:/app",
                               "-bad.io/app",
                               "bad..io/app",
                               "[::1/app",
                               "../../etc",
                               "docker.io/../x",
                               "oci:/etc:x",
                               "x;y",
                               std::string("a\0b", 3),
                               hex64,
                               std::string(256, 'a'),
                               std::string(5'000, 'a')};
  for (auto& in : table) {
    auto ref = parse_image_reference(in);
    BOOST_REQUIRE_MESSAGE(!ref, in);
    BOOST_TEST((code_of(ref.error()) == errc::image_name));
  }
}

BOOST_AUTO_TEST_CASE(says_what_kubernetes_says) {
  auto text = [](std::string_view in) { return message_of(parse_image_reference(in).error()); };
  BOOST_TEST(text("a b") == "couldn't parse image name \"a b\": invalid reference format");
  BOOST_TEST(
      text("FOO")
      == "couldn't parse image name \"FOO\": invalid reference format: repository name must be lowercase");
}

BOOST_AUTO_TEST_SUITE_END()
