// Pure decisions of the container runtime, as tables.
#include "core/cgroup_formulas.hpp"
#include "core/error.hpp"
#include "runtime/oci/conmon.hpp"
#include "runtime/oci/exec_command.hpp"
#include "runtime/oci/log_format.hpp"
#include "runtime/oci/signals.hpp"
#include "runtime/oci/spec.hpp"
#include "runtime/oci/spec_mounts.hpp"
#include <boost/test/unit_test.hpp>

using namespace podium;
namespace json = boost::json;

BOOST_AUTO_TEST_SUITE(oci_rules)

BOOST_AUTO_TEST_CASE(volumes_are_bound_as_they_are_asked_for) {
  create_container request;
  request.mounts = {{"/src/a", "/a", "", true, false, ""},
                    {"/src/b", "/b", "", true, true, "HostToContainer"},
                    {"/src/c", "/c", "", false, false, "Bidirectional"},
                    {"/src/hosts", "/etc/hosts", "", false, false, ""},
                    {"/src/shm", "/dev/shm", "", false, false, "None"}};
  container_places places;
  places.hosts = "/pod/hosts";
  auto text = [&](std::string_view destination) {
    std::string out;
    for (auto& m : make_mounts(request, places, false)) {
      if (m.at("destination").as_string() != destination) continue;
      out += std::string{m.at("source").as_string()};
      for (auto& o : m.at("options").as_array())
        out += " " + std::string{o.as_string()};
      out += ";";
    }
    return out;
  };
  BOOST_TEST(text("/a") == "/src/a rbind rprivate ro;");
  BOOST_TEST(text("/b") == "/src/b rbind rslave ro rro;");
  BOOST_TEST(text("/c") == "/src/c rbind rshared rw;");
  // What the pod mounts is there once, in place of the usual.
  BOOST_TEST(text("/etc/hosts") == "/src/hosts rbind rprivate rw;");
  BOOST_TEST(text("/dev/shm") == "/src/shm rbind rprivate rw;");
}

BOOST_AUTO_TEST_CASE(cpu_shares_and_quota) {
  struct row {
    int64_t millicores, shares, quota;
  };
  for (auto& r : {row{0, 2, 0}, row{1, 2, 1000}, row{100, 102, 10000}, row{250, 256, 25000},
                  row{1000, 1024, 100000}, row{1500, 1536, 150000}}) {
    BOOST_TEST_INFO(r.millicores);
    BOOST_TEST(cpu_shares_of(r.millicores) == r.shares);
    BOOST_TEST(cpu_quota_of(r.millicores) == r.quota);
  }
  BOOST_TEST(cpu_shares_of(1'000'000) == 262'144);
  BOOST_TEST(cpu_weight_of(2) == 1);
  BOOST_TEST(cpu_weight_of(1024) == 39);
  BOOST_TEST(cpu_weight_of(262'144) == 10'000);
}

BOOST_AUTO_TEST_CASE(oom_scores_on_a_node_of_8_gib) {
  constexpr int64_t mi = 1 << 20, gi = 1LL << 30, node = 8 * gi;
  struct row {
    int64_t request;
    int32_t score;
  };
  for (auto& r : {row{0, 999}, row{100 * mi, 988}, row{gi, 875}, row{4 * gi, 500}, row{7 * gi, 125},
                  row{node - 1, 3}}) {
    BOOST_TEST_INFO(r.request);
    BOOST_TEST(oom_score_of(qos_class::burstable, false, r.request, node) == r.score);
  }
  BOOST_TEST(oom_score_of(qos_class::guaranteed, false, gi, node) == -997);
  BOOST_TEST(oom_score_of(qos_class::best_effort, false, 0, node) == 1000);
  BOOST_TEST(oom_score_of(qos_class::burstable, true, 0, node) == -997);
}

BOOST_AUTO_TEST_CASE(arguments_by_kubernetes_rule) {
  using list = std::vector<std::string>;
  struct row {
    list entrypoint, cmd, command, args, expected;
  };
  image_config image;
  for (auto& r : {row{{"e"}, {"c"}, {}, {}, {"e", "c"}}, row{{"e"}, {"c"}, {"x"}, {}, {"x"}},
                  row{{"e"}, {"c"}, {}, {"a"}, {"e", "a"}}, row{{"e"}, {"c"}, {"x"}, {"a"}, {"x", "a"}},
                  row{{}, {"c"}, {}, {}, {"c"}}, row{{}, {"c"}, {}, {"a"}, {"a"}}}) {
    container_spec spec;
    image.entrypoint = r.entrypoint;
    image.cmd = r.cmd;
    spec.command = r.command;
    spec.args = r.args;
    auto got = process_args(spec, image);
    BOOST_REQUIRE(got);
    BOOST_TEST(*got == r.expected, boost::test_tools::per_element());
  }
  BOOST_TEST(!process_args({}, {}));
}

BOOST_AUTO_TEST_CASE(environment) {
  image_config image;
  image.env = {"PATH=/image", "A=1", "B=2"};
  container_spec spec;
  spec.env = {{"B", "3"}, {"C", "x=y"}};
  spec.tty = true;
  std::vector<std::string> expected{"PATH=/image", "HOSTNAME=h", "TERM=xterm", "A=1", "B=3", "C=x=y"};
  BOOST_TEST(process_env(spec, image, "h") == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(capabilities_added_and_dropped) {
  host_facts host;
  host.capabilities = {"CAP_CHOWN", "CAP_KILL", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"};
  auto of = [&](std::vector<std::string> add, std::vector<std::string> drop) {
    container_spec spec;
    spec.security_context_.emplace();
    spec.security_context_->capabilities_.emplace(capabilities{std::move(add), std::move(drop)});
    auto got = process_capabilities(spec, host);
    std::string text;
    if (got)
      for (auto& name : *got)
        text += name.substr(4) + " ";
    return got ? text : message_of(got.error());
  };
  BOOST_TEST(of({}, {}) == "CHOWN KILL ");
  BOOST_TEST(of({"NET_ADMIN"}, {"ALL"}) == "NET_ADMIN ");
  BOOST_TEST(of({"net_admin"}, {"CAP_KILL"}) == "CHOWN NET_ADMIN ");
  BOOST_TEST(of({"ALL"}, {"SYS_ADMIN"}) == "CHOWN KILL NET_ADMIN ");
  BOOST_TEST(of({"SYS_RESOURCE"}, {}) == "CHOWN KILL "); // the daemon has none to give
  BOOST_TEST(of({"NO_SUCH"}, {}).find("NO_SUCH") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_document) {
  create_container request;
  request.key = {"uid", "main", 0};
  request.spec.command = {"true"};
  request.cpu_shares = 512;
  request.memory_limit_bytes = 1 << 20;
  request.oom_score_adj = -997;
  host_facts host;
  host.max_files = 20'000;
  container_places places;
  places.rootfs = "/r";
  places.cgroup = "/podium/poduid/id";
  places.net_ns = "/ns/net";
  auto spec = make_oci_spec(request, {}, {}, host, places);
  BOOST_REQUIRE(spec);
  auto& process = spec->at("process").as_object();
  BOOST_TEST(process.at("oomScoreAdj").as_int64() == 0);
  BOOST_TEST(process.at("rlimits").at(0).at("hard").to_number<int64_t>() == 20'000);
  BOOST_TEST(!process.at("noNewPrivileges").as_bool());
  auto& part = spec->at("linux").as_object();
  BOOST_TEST(part.at("resources").at("memory").at("limit").to_number<int64_t>() == 1 << 20);
  BOOST_TEST(part.at("resources").at("devices").at(0).at("allow").as_bool() == false);
  BOOST_TEST(part.contains("maskedPaths"));
  BOOST_TEST(!spec->contains("hostname")); // the name belongs to the pod's namespace
  request.spec.security_context_.emplace();
  request.spec.security_context_->privileged = true;
  request.spec.security_context_->read_only_root_filesystem = true;
  spec = make_oci_spec(request, {}, {}, host, places);
  BOOST_REQUIRE(spec);
  BOOST_TEST(!spec->at("linux").as_object().contains("maskedPaths"));
  BOOST_TEST(spec->at("root").at("readonly").as_bool());
}

BOOST_AUTO_TEST_CASE(users) {
  constexpr auto passwd = "root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\n";
  constexpr auto group = "root:x:0:\nextra:x:2000:web,other\n";
  auto of = [&](std::string_view image_user, std::optional<security_context> own = {},
                std::optional<security_context> pod = {}) {
    auto got = resolve_user(own, pod, image_user, passwd, group);
    if (!got) return "error: " + message_of(got.error());
    auto text = std::to_string(got->uid) + ":" + std::to_string(got->gid);
    for (auto g : got->groups)
      text += "," + std::to_string(g);
    return text;
  };
  security_context as_42, strict, grouped, own_groups;
  own_groups.supplemental_groups_policy = "Strict";
  own_groups.supplemental_groups = {8};
  as_42.run_as_user = 42;
  strict.run_as_non_root = true;
  grouped.fs_group = 7;
  grouped.run_as_group = 9;
  BOOST_TEST(of("") == "0:0");
  BOOST_TEST(of("web") == "1000:1001,2000");
  BOOST_TEST(of("1000") == "1000:1001,2000");
  BOOST_TEST(of("5:6") == "5:6");
  BOOST_TEST(of("web:extra") == "1000:2000,2000");
  BOOST_TEST(of("web", {}, own_groups) == "1000:1001,8");
  BOOST_TEST(of("web", as_42) == "42:0");
  BOOST_TEST(of("web", {}, as_42) == "42:0");
  BOOST_TEST(of("", {}, grouped) == "0:9,7");
  BOOST_TEST(of("", strict).starts_with("error: "));
  BOOST_TEST(of("web", strict).starts_with("error: "));
  BOOST_TEST(of("1000", strict) == "1000:1001,2000");
  BOOST_TEST(of("nobody").starts_with("error: "));
}

BOOST_AUTO_TEST_CASE(signals_by_name) {
  BOOST_TEST(signal_number("SIGTERM", 0) == 15);
  BOOST_TEST(signal_number("KILL", 0) == 9);
  BOOST_TEST(signal_number("15", 0) == 15);
  BOOST_TEST(signal_number("SIGRTMIN+3", 0) == 37);
  BOOST_TEST(signal_number("RTMAX-1", 0) == 63);
  BOOST_TEST(signal_number("", 15) == 15);
  BOOST_TEST(signal_number("NONSENSE", 15) == 15);
  BOOST_TEST(signal_number("999", 15) == 15);
}

BOOST_AUTO_TEST_CASE(log_lines) {
  constexpr std::string_view text =
      "2026-01-01T00:00:00.5Z stdout F one\nbroken\n2026-01-01T00:00:01Z stderr P two\n"
      "2026-01-01T00:00:02Z stderr F  three\n2026-01-01T00:00:03Z stdout F unfinished";
  auto of = [&](log_formatter f) {
    std::string out;
    f.feed(text, out);
    return out;
  };
  BOOST_TEST(of({false, {}}) == "one\ntwo three\n");
  BOOST_TEST(of({true, {}}) == "2026-01-01T00:00:00.5Z one\n2026-01-01T00:00:01Z two three\n");
  BOOST_TEST(of({false, parse_rfc3339("2026-01-01T00:00:01Z")}) == "two three\n");
  BOOST_TEST(of({false, {}, 6}) == "one\ntw");
  log_formatter whole{false, {}};
  std::string out;
  BOOST_TEST(whole.feed(text, out) == text.rfind('\n') + 1);
}

BOOST_AUTO_TEST_CASE(conmon_reports) {
  auto good = parse_conmon_report(R"({"data": 42})");
  BOOST_REQUIRE(good);
  BOOST_TEST(good->pid == 42);
  auto bad = parse_conmon_report(R"({"data": -1, "message": "no such\n"})");
  BOOST_REQUIRE(bad);
  BOOST_TEST(bad->pid == -1);
  BOOST_TEST(bad->message == "no such");
  BOOST_TEST(!parse_conmon_report("nonsense"));
  BOOST_TEST(plain_runtime_error("executable file `x` not found in $PATH: No such file or directory\n")
             == "exec: \"x\": executable file not found in $PATH");
  BOOST_TEST(plain_runtime_error("executable file `/no/x` not found in $PATH: No such file or directory\n")
             == "exec: \"/no/x\": stat /no/x: no such file or directory");
  BOOST_TEST(plain_runtime_error("something else\n") == "something else");
}

BOOST_AUTO_TEST_SUITE_END()
