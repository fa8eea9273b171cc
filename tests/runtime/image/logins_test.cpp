#include "core/base64.hpp"
#include "core/error.hpp"
#include "runtime/image/logins.hpp"
#include "test_layout.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <sstream>
#include <sys/stat.h>

using namespace podium;

namespace {

std::string words(const std::vector<std::string>& list) {
  std::string out;
  for (auto& w : list)
    out += (out.empty() ? "" : " ") + w;
  return out;
}

/// One login for each registry named; its password is its place in the list.
std::string chosen(const std::vector<std::string>& registries, const std::string& image) {
  std::vector<registry_login> logins;
  for (auto& r : registries)
    logins.push_back({r, "user", std::to_string(logins.size()), ""});
  std::vector<std::string> out;
  for (auto& login : fitting_logins(logins, image))
    out.push_back(login.password);
  return words(out);
}

struct row {
  std::vector<std::string> registries;
  const char* image;
  const char* fitting; ///< places in the list, in the order of the tries
};

const row rows[] = {
    {{"quay.io"}, "quay.io/a/b", "0"},
    {{"quay.io"}, "docker.io/a/b", ""},
    {{"https://quay.io"}, "quay.io/a/b", "0"},
    {{"http://quay.io/"}, "quay.io/a/b", "0"},
    {{"https://quay.io/v1/"}, "quay.io/a/b", "0"},
    {{"https://quay.io/v2/"}, "quay.io/a/b", "0"},
    {{"https://quay.io/v2/a"}, "quay.io/a/b", "0"},
    {{"https://quay.io/v2/c"}, "quay.io/a/b", ""},
    {{"quay.io:443"}, "quay.io/a/b", ""},
    {{"quay.io"}, "quay.io:443/a/b", ""},
    {{"host:5000"}, "host:5000/a", "0"},
    {{"host:5000"}, "host:5001/a", ""},
    {{"[::1]:5000"}, "[::1]:5000/a", "0"},
    {{"[::1]"}, "[::1]:5000/a", ""},
    {{"quay.io/a"}, "quay.io/a/b", "0"},
    {{"quay.io/a/b"}, "quay.io/a/b", "0"},
    {{"quay.io/a/b/c"}, "quay.io/a/b", ""},
    // Kubernetes compares the texts of paths, not their parts.
    {{"quay.io/a"}, "quay.io/abc/d", "0"},
    {{"*.io"}, "quay.io/a", "0"},
    {{"q?ay.i*"}, "quay.io/a", "0"},
    {{"[pq]uay.io"}, "quay.io/a", "0"},
    {{"*"}, "quay.io/a", ""},
    {{"*"}, "localhost/a", "0"},
    {{"*.*"}, "quay.io/a", "0"},
    {{"*.io"}, "a.quay.io/a", ""},
    {{"*.io:5000"}, "quay.io/a", ""},
    {{"*.quay.io/team"}, "eu.quay.io/team/app", "0"},
    // The longest path first; the rest in the order given.
    {{"quay.io", "quay.io/a", "quay.io/a/b"}, "quay.io/a/b", "2 1 0"},
    {{"quay.io", "quay.io"}, "quay.io/a", "0 1"},
    {{"other.io", "quay.io"}, "quay.io/a", "1"},
    // Docker Hub.
    {{"docker.io"}, "docker.io/library/busybox", "0"},
    {{"https://index.docker.io/v1/"}, "docker.io/library/busybox", "0"},
    {{"https://index.docker.io/v1/"}, "quay.io/library/busybox", ""},
    {{"https://index.docker.io/v1/", "docker.io"}, "docker.io/library/busybox", "1"},
    {{""}, "quay.io/a", "0"},
    {{}, "quay.io/a", ""},
};

} // namespace

BOOST_AUTO_TEST_SUITE(logins_suite)

BOOST_AUTO_TEST_CASE(logins_fit_by_host_port_path_and_glob) {
  for (auto& r : rows)
    BOOST_TEST(chosen(r.registries, r.image) == r.fitting, words(r.registries) << " for " << r.image);
}

BOOST_AUTO_TEST_CASE(the_same_login_is_tried_once) {
  registry_login one{"quay.io", "me", "secret", ""}, other{"quay.io", "me", "other", ""};
  auto fitting = fitting_logins({one, one, other}, "quay.io/a");
  BOOST_REQUIRE(fitting.size() == 2u);
  BOOST_TEST(fitting[0].password == "secret");
  BOOST_TEST(fitting[1].password == "other");
}

BOOST_AUTO_TEST_CASE(lists_of_logins_are_told_apart) {
  registry_login a{"r", "u", "p", ""}, b{"r", "up", "", ""};
  BOOST_TEST(identity_of({a}) == identity_of({a}));
  BOOST_TEST(identity_of({a}) != identity_of({b}));
  BOOST_TEST(identity_of({a, b}) != identity_of({b, a}));
  BOOST_TEST(identity_of({}) != identity_of({a}));
}

BOOST_AUTO_TEST_CASE(names_at_mirrors) {
  auto ref = parse_image_reference("busybox:1");
  BOOST_TEST(name_at({.location = "docker.io"}, *ref) == "docker.io/library/busybox");
  BOOST_TEST(name_at({.location = "http://mirror:5000/hub/"}, *ref) == "mirror:5000/hub/library/busybox");
}

BOOST_AUTO_TEST_CASE(the_authfile_is_the_owners_alone_and_new) {
  test::temporary_directory dir;
  auto file = dir.path / "auth";
  auto text = auth_file_text({"quay.io", "me", "a:b\"c", "token"}, "quay.io");
  BOOST_REQUIRE(!write_auth_file(file, text));
  struct stat st {};
  BOOST_REQUIRE(::stat(file.c_str(), &st) == 0);
  BOOST_TEST((st.st_mode & 0777u) == 0600u);
  std::ostringstream read;
  read << std::ifstream{file}.rdbuf();
  auto document = boost::json::parse(read.str());
  auto& entry = document.at("auths").at("quay.io");
  BOOST_TEST(
      (from_base64(std::string{entry.at("auth").as_string()}) == std::optional<std::string>{"me:a:b\"c"}));
  BOOST_TEST(entry.at("identitytoken").as_string() == "token");
  BOOST_TEST((code_of(write_auth_file(file, text)) == errc::io));
}

BOOST_AUTO_TEST_SUITE_END()
