// Profiles of system calls: which rules apply.
#include "runtime/oci/seccomp.hpp"

#include "core/error.hpp"

#include <boost/test/unit_test.hpp>

using namespace podium;
namespace json = boost::json;

namespace {

/// The names that the made filter has, one rule after the other.
std::string names_of(const char* rules, const std::set<std::string>& capabilities = {},
                     std::pair<int, int> kernel = {6, 1}) {
  auto made =
      oci_seccomp(json::parse(R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":)" + std::string{rules} + "}"),
                  capabilities, "amd64", kernel);
  BOOST_REQUIRE(made);
  std::string out;
  for (auto& rule : made->at("syscalls").as_array())
    for (auto& name : rule.at("names").as_array())
      out += std::string{name.as_string()} + " ";
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(seccomp_suite)

BOOST_AUTO_TEST_CASE(rules_are_chosen) {
  struct row {
    const char* terms;
    std::set<std::string> capabilities;
    bool chosen;
  };
  for (auto& r : {
           row{R"("includes":{})", {}, true},
           row{R"("includes":{"arches":["amd64","x32"]})", {}, true},
           row{R"("includes":{"arches":["arm64"]})", {}, false},
           row{R"("includes":{"caps":["CAP_SYS_TIME"]})", {}, false},
           row{R"("includes":{"caps":["CAP_SYS_TIME"]})", {"CAP_SYS_TIME"}, true},
           row{R"("includes":{"caps":["CAP_SYS_TIME","CAP_X"]})", {"CAP_SYS_TIME"}, false},
           row{R"("excludes":{"caps":["CAP_SYS_TIME"]})", {}, true},
           row{R"("excludes":{"caps":["CAP_SYS_TIME","CAP_X"]})", {"CAP_SYS_TIME"}, false},
           row{R"("excludes":{"arches":["amd64"]})", {}, false},
           row{R"("includes":{"minKernel":"4.8"})", {}, true},
           row{R"("includes":{"minKernel":"6.1"})", {}, true},
           row{R"("includes":{"minKernel":"6.2"})", {}, false},
           row{R"("includes":{"arches":["amd64"]},"excludes":{"caps":["CAP_X"]})", {"CAP_X"}, false},
       })
    BOOST_TEST(
        names_of((R"([{"names":["a"],"action":"SCMP_ACT_ALLOW",)" + std::string{r.terms} + "}]").c_str(),
                 r.capabilities)
            == (r.chosen ? "a " : ""),
        r.terms);
}

BOOST_AUTO_TEST_CASE(what_the_runtime_needs_is_kept) {
  auto made = oci_seccomp(
      json::parse(R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"defaultErrno":"ENOSYS",
      "archMap":[{"architecture":"SCMP_ARCH_AARCH64"},
                 {"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],
      "syscalls":[{"name":"old","action":"SCMP_ACT_ALLOW","args":null,"comment":"x","includes":{}},
                  {"names":["a","b"],"action":"SCMP_ACT_ERRNO","errnoRet":1,"errno":"EPERM",
                   "args":[{"index":0,"value":8,"valueTwo":0,"op":"SCMP_CMP_EQ"}]}]})"),
      {}, "amd64", {6, 1});
  BOOST_REQUIRE(made);
  BOOST_TEST(*made
             == json::parse(R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,
      "architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],
      "syscalls":[{"names":["old"],"action":"SCMP_ACT_ALLOW"},
                  {"names":["a","b"],"action":"SCMP_ACT_ERRNO","errnoRet":1,
                   "args":[{"index":0,"value":8,"valueTwo":0,"op":"SCMP_CMP_EQ"}]}]})")
                    .as_object());
}

BOOST_AUTO_TEST_CASE(errors_by_name) {
  auto made = oci_seccomp(json::parse(R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENOSYS",
      "syscalls":[{"names":["a"],"action":"SCMP_ACT_ERRNO","errno":"EACCES"},
                  {"names":["b"],"action":"SCMP_ACT_ERRNO","errno":"ENOTSUP"}]})"),
                          {}, "amd64", {6, 1});
  BOOST_REQUIRE(made);
  BOOST_TEST(*made
             == json::parse(R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,
      "syscalls":[{"names":["a"],"action":"SCMP_ACT_ERRNO","errnoRet":13},
                  {"names":["b"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]})")
                    .as_object());
}

BOOST_AUTO_TEST_CASE(what_is_no_profile_is_refused) {
  for (auto* text : {R"({"defaultAction":"x","defaultErrno":"ENOTHING"})",
                     R"({"defaultAction":"x","listenerPath":"/run/x"})",
                     R"({"defaultAction":"x","syscalls":[{"names":["y"],"action":"z","errno":1}]})", "[]",
                     "{}", R"({"defaultAction":1})", R"({"defaultAction":"x","syscalls":[1]})",
                     R"({"defaultAction":"x","syscalls":[{"action":"y"}]})",
                     R"({"defaultAction":"x","syscalls":[{"names":["y"]}]})"})
    BOOST_TEST(!oci_seccomp(json::parse(text), {}, "amd64", {6, 1}), text);
}

BOOST_AUTO_TEST_CASE(no_path_leaves_the_profiles) {
  for (auto* path : {"/etc/passwd", "../x", "a/../../x", ""}) {
    create_container request;
    request.pod_security.emplace();
    request.pod_security->seccomp_profile_ = seccomp_profile{"Localhost", path};
    auto made = seccomp_of(request, {}, {});
    BOOST_REQUIRE(!made);
    BOOST_TEST(message_of(made.error()).find("must be a path below") != std::string::npos, path);
  }
}

BOOST_AUTO_TEST_SUITE_END()
