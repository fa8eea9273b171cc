#include "runtime/oci/usage_reader.hpp"

#include "runtime/oci/cgroup.hpp"

#include <algorithm>

namespace podium {
namespace {

struct job {
  std::vector<std::string> instances, cgroups; ///< "" for what does not run
  usage_counts result;
};

void count(job& work) {
  auto tree = cgroup_tree::detect();
  work.result.at = std::chrono::steady_clock::now();
  if (!tree) return;
  if (auto whole = tree->machine_usage())
    work.result.machine = {"", whole->cpu_ns, whole->memory_working_set_bytes};
  for (size_t i = 0; i < work.cgroups.size(); ++i) {
    if (work.cgroups[i].empty() || !tree->exists(work.cgroups[i])) continue;
    auto used = tree->usage(work.cgroups[i]);
    work.result.containers[i] = {work.instances[i], used.cpu_ns, used.memory_working_set_bytes};
  }
}

} // namespace

void usage_reader::read(const std::vector<counted_container>& of, std::function<void(usage_counts)> done) {
  auto work = std::make_shared<job>();
  work->result.containers.resize(of.size());
  for (auto& c : of) {
    auto found = runtime_.find(c.pod_uid, c.name);
    bool runs = found && found->phase == container_phase::running;
    work->instances.push_back(runs ? found->id : std::string{});
    work->cgroups.push_back(runs ? found->cgroup : std::string{});
  }
  auto answer = [work, done] { done(std::move(work->result)); };
  if (!runtime_.pool().submit([work] { count(*work); }, answer)) runtime_.loop().post(answer);
}

} // namespace podium
