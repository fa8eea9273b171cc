#include "api/pod_target.hpp"

namespace podium::api {
namespace {

std::string names_of(const std::vector<container_spec>& list) {
  std::string out = "[";
  for (auto& c : list)
    out += (out.size() > 1 ? " " : "") + c.name;
  return out + "]";
}

const container_status* status_of(const pod& p, const std::string& container) {
  for (auto* list : {&p.status.container_statuses, &p.status.init_container_statuses,
                     &p.status.ephemeral_container_statuses})
    for (auto& s : *list)
      if (s.name.value == container) return &s;
  return nullptr;
}

std::string of_pod(const pod& p, const std::string& container) {
  return "container \"" + container + "\" in pod \"" + p.metadata.name + "\"";
}

bool has_container(const pod& p, std::string_view name) {
  for (auto* list : {&p.spec.containers, &p.spec.init_containers, &p.spec.ephemeral_containers})
    for (auto& c : *list)
      if (c.name == name) return true;
  return false;
}

} // namespace

outcome<std::string> choose_container(const pod& p, std::string_view wanted) {
  if (wanted.empty()) {
    if (p.spec.containers.size() == 1) return p.spec.containers.front().name;
    auto text = "a container name must be specified for pod " + p.metadata.name
                + ", choose one of: " + names_of(p.spec.containers);
    if (!p.spec.init_containers.empty())
      text += " or one of the init containers: " + names_of(p.spec.init_containers);
    if (!p.spec.ephemeral_containers.empty())
      text += " or one of the ephemeral containers: " + names_of(p.spec.ephemeral_containers);
    return bad_request(text);
  }
  if (!has_container(p, wanted))
    return bad_request("container " + std::string{wanted} + " is not valid for pod " + p.metadata.name);
  return std::string{wanted};
}

outcome<std::string> choose_logged_instance(const pod& p, const std::string& container, bool previous) {
  auto* s = status_of(p, container);
  if (!s) return bad_request(of_pod(p, container) + " is not available");
  auto last = s->last_state.terminated ? s->last_state.terminated->container_id : std::string{};
  if (previous) {
    if (!last.empty()) return last;
    return bad_request("previous terminated " + of_pod(p, container) + " not found");
  }
  if (s->state.running) return s->container_id;
  // One that ended before it was made has no id: the log is the one before's.
  if (s->state.terminated && !s->state.terminated->container_id.empty())
    return s->state.terminated->container_id;
  if (!last.empty()) return last;
  if (s->state.terminated || s->last_state.terminated)
    return bad_request(of_pod(p, container) + " is terminated");
  auto reason = s->state.waiting ? s->state.waiting->reason : std::string{};
  if (reason == "ErrImagePull" || reason == "ImagePullBackOff") reason = "trying and failing to pull image";
  if (reason.empty()) return bad_request(of_pod(p, container) + " is not available");
  return bad_request(of_pod(p, container) + " is waiting to start: " + reason);
}

std::optional<failure> check_runs(const pod& p, std::string_view verb) {
  if (p.spec.node_name.empty())
    return bad_request("pod " + p.metadata.name + " does not have a host assigned");
  if (p.status.phase == "Succeeded" || p.status.phase == "Failed")
    return bad_request("cannot " + std::string{verb} + " a container in a completed pod; current phase is "
                       + p.status.phase);
  return {};
}

bool is_running(const pod& p, const std::string& container) {
  auto* s = status_of(p, container);
  return s && s->state.running;
}

} // namespace podium::api
