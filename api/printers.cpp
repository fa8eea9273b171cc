#include "api/printers.hpp"

#include "core/quantity.hpp"
#include "messages/node.hpp"

#include <algorithm>
#include <cctype>

namespace podium::api {
namespace {

namespace json = boost::json;

/// The text at `path` of a document, or "".
std::string text_at(const json::value& document, std::initializer_list<std::string_view> path) {
  auto* at = &document;
  for (auto& key : path) {
    auto* o = at->if_object();
    at = o ? o->if_contains(key) : nullptr;
    if (!at) return {};
  }
  return at->is_string() ? std::string(at->get_string()) : std::string{};
}

int64_t number_at(const json::value& document, std::initializer_list<std::string_view> path) {
  auto* at = &document;
  for (auto& key : path) {
    auto* o = at->if_object();
    at = o ? o->if_contains(key) : nullptr;
    if (!at) return 0;
  }
  boost::system::error_code ec;
  auto n = at->to_number<int64_t>(ec);
  return ec ? 0 : n;
}

std::optional<wall_time> time_at(const json::value& document, std::initializer_list<std::string_view> path) {
  return parse_rfc3339(text_at(document, path));
}

// -- nodes

constexpr column node_columns[] = {
    {"Name", "string", "name", "Name must be unique."},
    {"Status", "string", "", "The status of the node."},
    {"Roles", "string", "", "The roles of the node."},
    {"Age", "string", "", "How long ago the node was registered."},
    {"Version", "string", "", "The version of the node's agent."},
    {"Internal-IP", "string", "", "The node's address inside the cluster.", 1},
    {"External-IP", "string", "", "The node's address outside the cluster.", 1},
    {"OS-Image", "string", "", "The operating system.", 1},
    {"Kernel-Version", "string", "", "The kernel.", 1},
    {"Container-Runtime", "string", "", "The container runtime and its version.", 1},
};

std::string node_state(const node& n) {
  std::string state = "Unknown";
  for (auto& c : n.status.conditions)
    if (c.type == "Ready") state = c.status == "True" ? "Ready" : "NotReady";
  if (n.spec.unschedulable) state += ",SchedulingDisabled";
  return state;
}

std::string node_roles(const node& n) {
  static constexpr std::string_view prefix = "node-role.kubernetes.io/";
  std::vector<std::string> roles;
  for (auto& [key, value] : n.metadata.labels) {
    if (key.starts_with(prefix) && key.size() > prefix.size()) roles.push_back(key.substr(prefix.size()));
    if (key == "kubernetes.io/role" && !value.empty()) roles.push_back(value);
  }
  std::sort(roles.begin(), roles.end());
  roles.erase(std::unique(roles.begin(), roles.end()), roles.end());
  std::string out;
  for (auto& role : roles)
    out += (out.empty() ? "" : ",") + role;
  return out.empty() ? "<none>" : out;
}

std::string node_address_of(const node& n, std::string_view type) {
  for (auto& a : n.status.addresses)
    if (a.type == type) return a.address;
  return "<none>";
}

std::string or_unknown(const std::string& text) {
  return text.empty() ? "<unknown>" : text;
}

json::array node_cells(const object& obj, wall_time now) {
  auto& n = obj.as_node();
  auto& info = n.status.node_info;
  return {n.metadata.name,
          node_state(n),
          node_roles(n),
          age_cell(n.metadata.creation_timestamp, now),
          info.kubelet_version.value,
          node_address_of(n, "InternalIP"),
          node_address_of(n, "ExternalIP"),
          or_unknown(info.os_image),
          or_unknown(info.kernel_version),
          or_unknown(info.container_runtime_version)};
}

// -- namespaces

constexpr column namespace_columns[] = {
    {"Name", "string", "name", "Name must be unique."},
    {"Status", "string", "", "The status of the namespace."},
    {"Age", "string", "", "How long ago the namespace was created."},
};

json::array namespace_cells(const object& obj, wall_time now) {
  auto document = obj.document();
  return {obj.key().name, text_at(document, {"status", "phase"}),
          age_cell(obj.meta().creation_timestamp, now)};
}

// -- events

constexpr column event_columns[] = {
    {"Last Seen", "string", "", "When the event was last seen."},
    {"Type", "string", "", "Normal or Warning."},
    {"Reason", "string", "", "Why the event was written, in one word."},
    {"Object", "string", "", "What the event is about."},
    {"Subobject", "string", "", "The part of the object the event is about.", 1},
    {"Source", "string", "", "Who wrote the event.", 1},
    {"Message", "string", "", "What happened."},
    {"First Seen", "string", "", "When the event was first seen.", 1},
    {"Count", "integer", "", "How often the event was seen.", 1},
    {"Name", "string", "name", "Name must be unique within a namespace.", 1},
};

std::string event_source(const json::value& e) {
  auto component = text_at(e, {"source", "component"});
  auto host = text_at(e, {"source", "host"});
  if (component.empty()) {
    component = text_at(e, {"reportingComponent"});
    host = text_at(e, {"reportingInstance"});
  }
  return host.empty() ? component : component + ", " + host;
}

std::string trimmed(std::string text) {
  auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
  text.erase(std::find_if_not(text.rbegin(), text.rend(), is_space).base(), text.end());
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), is_space));
  return text;
}

json::array event_cells(const object& obj, wall_time now) {
  auto e = obj.document();
  auto first = time_at(e, {"firstTimestamp"});
  if (!first) first = time_at(e, {"eventTime"});
  auto last = time_at(e, {"lastTimestamp"});
  if (!last) last = first;
  auto count = number_at(e, {"count"});
  if (number_at(e, {"series", "count"}) > 0) {
    last = time_at(e, {"series", "lastObservedTime"});
    count = number_at(e, {"series", "count"});
  }
  auto target = text_at(e, {"involvedObject", "kind"});
  std::transform(target.begin(), target.end(), target.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (auto name = text_at(e, {"involvedObject", "name"}); !name.empty()) target += "/" + name;
  return {age_cell(last, now),
          text_at(e, {"type"}),
          text_at(e, {"reason"}),
          target,
          text_at(e, {"involvedObject", "fieldPath"}),
          event_source(e),
          trimmed(text_at(e, {"message"})),
          age_cell(first, now),
          std::max<int64_t>(count, 1),
          obj.key().name};
}

// -- leases

constexpr column lease_columns[] = {
    {"Name", "string", "name", "Name must be unique within a namespace."},
    {"Holder", "string", "", "Who holds the lease."},
    {"Age", "string", "", "How long ago the lease was created."},
};

json::array lease_cells(const object& obj, wall_time now) {
  auto document = obj.document();
  return {obj.key().name, text_at(document, {"spec", "holderIdentity"}),
          age_cell(obj.meta().creation_timestamp, now)};
}

// -- usage

constexpr column usage_columns[] = {
    {"Name", "string", "name", "Name must be unique within a namespace."},
    {"cpu", "string", "", "The cores that were used."},
    {"memory", "string", "", "The memory that was used."},
    {"Window", "string", "", "The time the cpu's figure is of."},
};

/// The sum over the containers of a pod, or a node's own usage.
std::string used_text(const json::value& document, std::string_view resource) {
  auto of = [&](const json::value& v) {
    auto parsed = quantity::parse(text_at(v, {"usage", resource}));
    return parsed ? *parsed : quantity{};
  };
  auto sum = of(document);
  if (auto* list = document.as_object().if_contains("containers"); list && list->is_array())
    for (auto& c : list->get_array())
      sum += of(c);
  return sum.to_string();
}

json::array usage_cells(const object& obj, wall_time) {
  auto document = obj.document();
  return {obj.key().name, used_text(document, "cpu"), used_text(document, "memory"),
          text_at(document, {"window"})};
}

// -- whatever has no columns of its own

constexpr column plain_columns[] = {
    {"Name", "string", "name", "Name must be unique within a namespace."},
    {"Created At", "date", "", "When the object was created."},
};

json::array plain_cells(const object& obj, wall_time) {
  return {obj.key().name, text_at(obj.document(), {"metadata", "creationTimestamp"})};
}

} // namespace

const table_printer usage_printer{usage_columns, usage_cells};
const table_printer plain_printer{plain_columns, plain_cells};
const table_printer node_printer{node_columns, node_cells};
const table_printer namespace_printer{namespace_columns, namespace_cells};
const table_printer event_printer{event_columns, event_cells};
const table_printer lease_printer{lease_columns, lease_cells};

std::string age_cell(const std::optional<wall_time>& t, wall_time now) {
  return t ? to_human_duration(now - *t) : "<unknown>";
}

} // namespace podium::api
