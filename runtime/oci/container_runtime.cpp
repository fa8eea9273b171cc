#include "runtime/oci/container_runtime.hpp"

#include "core/base_actor.hpp"
#include "runtime/loop/loop_reply.hpp"
#include "runtime/oci/machine.hpp"

namespace podium {
namespace {

class container_runtime : public base_actor<container_runtime_actor> {
public:
  container_runtime(caf::actor_config& cfg, env_ptr env, oci_runtime& runtime,
                    std::vector<node_address> addresses)
      : base_actor(cfg, std::move(env), "port/runtime"), runtime_(runtime), addresses_(std::move(addresses)) {
  }

protected:
  behavior_type handlers() override {
    return {
        [this](const create_sandbox& m) { return on_loop<sandbox_info>(m); },
        [this](const wait_sandbox& m) { return on_loop<sandbox_end>(m); },
        [this](const remove_sandbox& m) { return on_loop<ack>(m); },
        [this](const create_container& m) { return on_loop<container_created>(m); },
        [this](const start_container& m) { return on_loop<container_started>(m); },
        [this](const wait_container& m) { return on_loop<container_exit>(m); },
        [this](const signal_container& m) { return on_loop<ack>(m); },
        [this](const remove_container& m) { return on_loop<ack>(m); },
        [this](const exec_sync& m) { return on_loop<exec_result>(m); },
        [this](const list_runtime& m) { return on_loop<runtime_records>(m); },
        [this](const get_machine_facts&) {
          return answer_from_loop<machine_facts>(
              this, runtime_.loop(),
              [&r = runtime_, a = addresses_](auto reply) { ask_machine(r, a, reply); });
        },
    };
  }

private:
  template <class Reply, class Request>
  caf::result<Reply> on_loop(const Request& request) {
    return answer_from_loop<Reply>(this, runtime_.loop(), [&r = runtime_, request](loop_reply<Reply> reply) {
      r.ask(request, oci_runtime::answer<Reply>{reply});
    });
  }

  /// The answer may come after the end of a runtime that could not start; its pool outlives it.
  static void ask_machine(oci_runtime& runtime, const std::vector<node_address>& addresses,
                          const loop_reply<machine_facts>& reply) {
    command version;
    version.process.argv = {runtime.program().path, "--version"};
    version.timeout = std::chrono::seconds{10};
    runtime.children().run(std::move(version), [&pool = runtime.pool(), name = runtime.program().name,
                                                root = runtime.settings().root, addresses,
                                                reply](caf::expected<command_result> result) {
      auto text = runtime_version_of(name, result ? result->out : std::string{});
      auto facts = std::make_shared<machine_facts>();
      bool taken = pool.submit(
          [facts, text, addresses, root] {
            *facts = read_machine_facts(root, text);
            facts->addresses = addresses;
          },
          [facts, reply] { reply(*facts); });
      if (!taken) reply(make_error(errc::unavailable, "too much work is queued on this node"));
    });
  }

  oci_runtime& runtime_;
  std::vector<node_address> addresses_;
};

} // namespace

container_runtime_actor spawn_container_runtime(caf::actor_system& system, env_ptr env, oci_runtime& runtime,
                                                std::vector<node_address> addresses) {
  return system.spawn<container_runtime>(std::move(env), std::ref(runtime), std::move(addresses));
}

} // namespace podium
