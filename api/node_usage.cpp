#include "api/node_usage.hpp"

#include "runtime/oci/usage_reader.hpp"

namespace podium::api {
namespace {

std::optional<usage_counters> taken_over(const std::optional<usage_counter>& from) {
  if (!from) return {};
  return usage_counters{from->instance, from->cpu_ns, from->working_set_bytes};
}

class node_usage : public usage_source {
public:
  node_usage(oci_runtime& runtime, std::string node_name) : reader_(runtime), name_(std::move(node_name)) {}

  const std::string& node_name() const override { return name_; }

  void read(std::vector<usage_target> targets, std::function<void(usage_reading)> done) override {
    std::vector<counted_container> of;
    for (auto& t : targets)
      of.push_back({t.pod_uid, t.container});
    reader_.read(of, [done = std::move(done)](const usage_counts& counts) {
      usage_reading out{counts.at, taken_over(counts.machine), {}};
      for (auto& c : counts.containers)
        out.containers.push_back(taken_over(c));
      done(std::move(out));
    });
  }

private:
  usage_reader reader_;
  const std::string name_;
};

} // namespace

std::shared_ptr<usage_source> make_node_usage(oci_runtime& runtime, std::string node_name) {
  return std::make_shared<node_usage>(runtime, std::move(node_name));
}

} // namespace podium::api
