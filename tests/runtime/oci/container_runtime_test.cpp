#include "oci_fixture.hpp"
#include "runtime/oci/container_runtime.hpp"
#include "runtime/oci/machine.hpp"
#include <csignal>
#include <sys/stat.h>

using namespace podium;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

/// Asks as an actor does; throws the error's text.
template <class Reply, class Message>
Reply ask_actor(caf::scoped_actor& self, const container_runtime_actor& port, Message message) {
  Reply result;
  std::string why;
  self->request(port, 20s, std::move(message))
      .receive([&](Reply& r) { result = std::move(r); }, [&](caf::error& e) { why = message_of(e); });
  if (!why.empty()) throw std::runtime_error(why);
  return result;
}

} // namespace

BOOST_FIXTURE_TEST_CASE(the_runtime_as_an_actor, test::oci_fixture) {
  caf::actor_system_config config;
  caf::actor_system system{config};
  auto port = spawn_container_runtime(system, std::make_shared<actor_env>(1), *runtime,
                                      {{"InternalIP", "192.0.2.1"}});
  {
    caf::scoped_actor self{system};
    uids.insert("a1");
    podium::create_sandbox sandbox;
    sandbox.pod_uid = "a1";
    sandbox.pod_name = "pod-a1";
    sandbox.pod_namespace = "default";
    ask_actor<sandbox_info>(self, port, sandbox);
    auto request = container("a1", "main", "sleep 1000");
    auto created = ask_actor<container_created>(self, port, request);
    BOOST_TEST(created.container_id.starts_with("podium://"));
    ask_actor<container_started>(self, port, start_container{request.key});
    auto r = ask_actor<exec_result>(self, port, exec_sync{request.key, {"echo", "yes"}, 10s});
    BOOST_TEST(r.output == "yes\n");
    ask_actor<ack>(self, port, signal_container{request.key, SIGKILL});
    BOOST_TEST(ask_actor<container_exit>(self, port, wait_container{request.key}).exit_code == 137);
    BOOST_TEST(ask_actor<runtime_records>(self, port, list_runtime{}).containers.size() == 1u);
    auto facts = ask_actor<machine_facts>(self, port, get_machine_facts{});
    BOOST_TEST(facts.capacity.at("pods") == "110");
    BOOST_TEST(facts.info.operating_system.value == "linux");
    BOOST_TEST(facts.info.container_runtime_version.value.find("://") != std::string::npos);
    BOOST_REQUIRE(facts.addresses.size() == 1u);
    BOOST_CHECK_THROW(ask_actor<container_started>(self, port, start_container{{"nobody", "main", 0}}),
                      std::runtime_error);
    ask_actor<ack>(self, port, podium::remove_sandbox{"a1"});
  }
  caf::anon_send_exit(port, caf::exit_reason::user_shutdown);
}

BOOST_AUTO_TEST_CASE(runtime_versions) {
  BOOST_TEST(runtime_version_of("crun", "crun version 1.8.1\ncommit: x\n") == "crun://1.8.1");
  BOOST_TEST(runtime_version_of("runc", "nonsense") == "runc://unknown");
}

/// As when the daemon cannot start and takes everything down again.
BOOST_FIXTURE_TEST_CASE(what_the_machine_is_may_be_told_after_the_runtimes_end, test::oci_fixture) {
  auto asked = root + "/asked", gate = root + "/gate", program = root + "/slow-crun";
  BOOST_REQUIRE(::mkfifo(asked.c_str(), 0600) == 0);
  BOOST_REQUIRE(::mkfifo(gate.c_str(), 0600) == 0);
  std::ofstream{program} << "#!/bin/sh\necho > " << asked << "\nread x < " << gate
                         << "\nexec /usr/bin/crun \"$@\"\n";
  fs::permissions(program, fs::perms{0755});
  auto fast = std::exchange(settings.crun, program);
  runtime.reset();
  start_runtime();
  caf::actor_system_config config;
  caf::actor_system system{config};
  auto port = spawn_container_runtime(system, std::make_shared<actor_env>(1), *runtime, {});
  caf::scoped_actor self{system};
  auto answer = self->request(port, caf::infinite, get_machine_facts{});
  std::string line;
  std::ifstream{asked} >> line;
  runtime.reset();
  std::ofstream{gate} << "go\n";
  answer.receive(
      [](machine_facts& facts) {
        BOOST_TEST(facts.info.container_runtime_version.value.starts_with("crun://"));
      },
      [](caf::error& e) { BOOST_ERROR(message_of(e)); });
  caf::anon_send_exit(port, caf::exit_reason::user_shutdown);
  settings.crun = fast;
}
