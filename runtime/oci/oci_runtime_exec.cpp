// oci_runtime: commands of probes and hooks.
#include "runtime/oci/exec_command.hpp"
#include "runtime/oci/oci_runtime_impl.hpp"
#include <algorithm>

namespace podium {
namespace {
constexpr size_t kept_output_bytes = 10 * 1024;
}

void oci_runtime::ask(const exec_sync& request, answer<exec_result> done) {
  auto c = impl_->find_instance(request.key);
  if (!c || c->at != instance::step::running)
    return done(make_error(errc::not_found, "container " + request.key.name + " is not running"));
  if (!request.once.empty()) {
    auto& run = c->once[request.once];
    if (run.told) return done(*run.told);
    run.waiting.push_back(std::move(done));
    if (run.waiting.size() > 1) return;
    done = [c, name = request.once](caf::expected<exec_result> result) {
      auto waiting = std::exchange(c->once[name].waiting, {});
      // One that could not be run may be tried again.
      if (result)
        c->once[name].told = *result;
      else
        c->once.erase(name);
      for (auto& who : waiting)
        who(result);
    };
  }
  auto error_file = make_error_file();
  if (!error_file) return done(error_file.error());
  auto process =
      make_exec_process(paths_of(impl_->settings, c->file.key, c->file.id).directory, request.command, false);
  if (!process) return done(process.error());
  auto errors = std::make_shared<unique_fd>(std::move(*error_file));
  command what;
  what.process.argv =
      exec_arguments(impl_->program, runtime_state_directory(impl_->settings), c->file.id, {});
  what.process.env = exec_environment();
  what.process.fds = {{errors->get(), exec_error_fd}, {process->file.get(), exec_process_fd}};
  what.process.oom_score_adj = process->oom_score_adj;
  what.timeout = request.timeout;
  what.output_limit_bytes = kept_output_bytes;
  what.suspects = [self = impl_, cgroup = paths_of(impl_->settings, c->file.key, c->file.id).cgroup] {
    return self->cgroups->processes(cgroup);
  };
  impl_->children.run(std::move(what), [errors, done](caf::expected<command_result> result) {
    if (!result) return done(result.error());
    exec_result outcome;
    outcome.exit_code = result->status.shell_code();
    outcome.timed_out = result->timed_out;
    outcome.output = std::move(result->out);
    outcome.output.append(result->err, 0,
                          kept_output_bytes - std::min(kept_output_bytes, outcome.output.size()));
    if (outcome.exit_code != 0 && !outcome.timed_out)
      if (auto why = exec_error(*errors); !why.empty()) return done(make_error(errc::container_start, why));
    done(std::move(outcome));
  });
}

} // namespace podium
