#include "runtime/http/pki.hpp"

#include "core/error.hpp"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

using namespace podium;
using namespace std::chrono_literals;

namespace {

struct temporary_directory {
  std::filesystem::path path;
  temporary_directory() {
    auto name = (std::filesystem::temp_directory_path() / "podium-pki-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~temporary_directory() { std::filesystem::remove_all(path); }
};

std::string slurp(const std::filesystem::path& p) {
  std::ifstream in{p};
  return {std::istreambuf_iterator<char>{in}, {}};
}

} // namespace

BOOST_AUTO_TEST_SUITE(pki)

BOOST_AUTO_TEST_CASE(a_leaf_chains_to_its_ca_and_to_no_other) {
  auto ca = make_ca("test-ca"), other = make_ca("test-ca");
  BOOST_TEST_REQUIRE(static_cast<bool>(ca));
  auto leaf = make_client_certificate(*ca, "jane", {"devs", "system:masters"});
  BOOST_TEST_REQUIRE(static_cast<bool>(leaf));
  BOOST_TEST(!check_certificate(*leaf, ca->certificate, 0s));
  BOOST_TEST(!!check_certificate(*leaf, other->certificate, 0s));
  BOOST_TEST(!!check_certificate({leaf->certificate, ca->key}, ca->certificate, 0s));
  BOOST_TEST(!!check_certificate(*leaf, ca->certificate, 24h * 366));
  auto expired = make_client_certificate(*ca, "jane", {}, -10s);
  BOOST_TEST(!!check_certificate(*expired, ca->certificate, 0s));
  auto again = make_client_certificate(*ca, "jane", {"devs", "system:masters"});
  BOOST_TEST(again->certificate != leaf->certificate);
}

BOOST_AUTO_TEST_CASE(bad_names_are_refused) {
  auto ca = make_ca("test-ca");
  for (auto& names : {server_names{{"a b"}, {}}, server_names{{""}, {}}, server_names{{}, {"10.0.0"}}}) {
    auto r = make_server_certificate(*ca, "x", names);
    BOOST_TEST(!r);
    BOOST_TEST(static_cast<int>(code_of(r.error())) == static_cast<int>(errc::invalid));
  }
  BOOST_TEST(!make_client_certificate(*ca, "", {}));
  BOOST_TEST(!make_client_certificate({"junk", "junk"}, "x", {}));
}

BOOST_AUTO_TEST_CASE(files_are_private_and_replaced_whole) {
  temporary_directory dir;
  auto path = dir.path / "secret";
  BOOST_TEST(!write_private_file(path, "one"));
  BOOST_TEST(!write_private_file(path, "two"));
  BOOST_TEST(slurp(path) == "two");
  struct stat info {};
  BOOST_TEST_REQUIRE(::stat(path.c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 0777) == 0600u);
  BOOST_TEST(std::distance(std::filesystem::directory_iterator{dir.path}, {}) == 1);
  BOOST_TEST(!!write_private_file(dir.path / "absent" / "x", "x"));
}

BOOST_AUTO_TEST_CASE(cluster_pki_is_reused_and_repaired) {
  temporary_directory dir;
  cluster_pki_settings settings{.directory = dir.path / "pki",
                                .names = {{"localhost"}, {"127.0.0.1", "::1"}}};
  auto first = ensure_cluster_pki(settings);
  BOOST_TEST_REQUIRE(static_cast<bool>(first));
  auto second = ensure_cluster_pki(settings);
  BOOST_TEST(second->ca.certificate == first->ca.certificate);
  BOOST_TEST(second->server.certificate == first->server.certificate);
  BOOST_TEST(second->admin.certificate == first->admin.certificate);

  settings.names.ips.push_back("10.0.0.1");
  auto renamed = ensure_cluster_pki(settings);
  BOOST_TEST(renamed->ca.certificate == first->ca.certificate);
  BOOST_TEST(renamed->server.certificate != first->server.certificate);
  BOOST_TEST(renamed->admin.certificate == first->admin.certificate);

  // A broken admin key is replaced; a broken CA makes everything new.
  std::ofstream{settings.directory / "admin.key"} << "junk";
  auto repaired = ensure_cluster_pki(settings);
  BOOST_TEST(repaired->admin.certificate != first->admin.certificate);
  BOOST_TEST(repaired->ca.certificate == first->ca.certificate);
  std::ofstream{settings.directory / "ca.crt"} << "junk";
  auto renewed = ensure_cluster_pki(settings);
  BOOST_TEST(renewed->ca.certificate != first->ca.certificate);
  BOOST_TEST(!check_certificate(renewed->server, renewed->ca.certificate, 0s));
  BOOST_TEST(!check_certificate(renewed->admin, renewed->ca.certificate, 0s));
}

BOOST_AUTO_TEST_SUITE_END()
