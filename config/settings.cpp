#include "config/settings.hpp"

#include "config/field_formats.hpp"
#include "config/json_access.hpp"
#include "config/yaml.hpp"
#include "core/error.hpp"
#include "core/quantity.hpp"
#include "core/time.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <variant>

namespace podium::config {
namespace {

using text_of = std::string& (*)(settings&);
using integer_of = int64_t& (*)(settings&);
using number_of = double& (*)(settings&);
using duration_of = nanoseconds& (*)(settings&);
using labels_of = std::map<std::string, std::string>& (*)(settings&);
using mirrors_of = std::map<std::string, std::vector<registry_mirror>>& (*)(settings&);

/// What is wrong with a value; empty when nothing is.
using value_check = std::string (*)(const settings&);

enum class unit : uint8_t { none, bytes };

struct setting_row {
  std::string_view path;
  std::variant<text_of, integer_of, number_of, duration_of, labels_of, mirrors_of> target;
  std::string_view doc;
  int64_t low = 0; ///< the least integer, number or duration (ns) allowed
  unit in = unit::none;
  std::string_view choices = {}; ///< the texts allowed, separated by spaces
  value_check check = nullptr;
};

#define PODIUM_TEXT(member)                                                                                  \
  text_of {                                                                                                  \
    [](settings& s) -> std::string& { return s.member; }                                                     \
  }
#define PODIUM_INTEGER(member)                                                                               \
  integer_of {                                                                                               \
    [](settings& s) -> int64_t& { return s.member; }                                                         \
  }
#define PODIUM_NUMBER(member)                                                                                \
  number_of {                                                                                                \
    [](settings& s) -> double& { return s.member; }                                                          \
  }
#define PODIUM_DURATION(member)                                                                              \
  duration_of {                                                                                              \
    [](settings& s) -> nanoseconds& { return s.member; }                                                     \
  }

std::string first_of(format_problems problems) {
  return problems.empty() ? std::string{} : problems.front();
}

std::string check_listen(const settings& s) {
  auto colon = s.api.listen.rfind(':');
  auto host = s.api.listen.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  int port = -1;
  if (colon != std::string::npos) {
    auto begin = s.api.listen.data() + colon + 1;
    auto end = s.api.listen.data() + s.api.listen.size();
    if (auto [p, ec] = std::from_chars(begin, end, port); ec != std::errc{} || p != end) port = -1;
  }
  if (port < 0 || port > 65535 || !check_ip(host).empty())
    return "must be address:port, such as 127.0.0.1:6443";
  return {};
}

std::string check_bridge(const settings& s) {
  const auto& name = s.network.bridge;
  bool ok = !name.empty() && name.size() <= 15 && name.find_first_of("/ :\t") == std::string::npos
            && name != "." && name != "..";
  return ok ? std::string{} : "must be an interface name of at most 15 characters";
}

constexpr int64_t second = 1'000'000'000;

const setting_row rows[] = {
    {"dataDir",
     PODIUM_TEXT(data_dir),
     "Where objects, images and container file systems are kept.",
     0,
     unit::none,
     {},
     [](const settings& s) {
       return std::string{s.data_dir.starts_with('/') ? "" : "must be an absolute path"};
     }},
    {"runDir",
     PODIUM_TEXT(run_dir),
     "Where sockets and the state of running containers are kept; gone after a reboot.",
     0,
     unit::none,
     {},
     [](const settings& s) {
       return std::string{s.run_dir.starts_with('/') ? "" : "must be an absolute path"};
     }},
    {"nodeName",
     PODIUM_TEXT(node_name),
     "The node's name; the machine's host name if empty.",
     0,
     unit::none,
     {},
     [](const settings& s) {
       return s.node_name.empty() ? std::string{} : first_of(check_dns_subdomain(s.node_name));
     }},
    {"nodeLabels", labels_of{[](settings & s) -> auto& {return s.node_labels;
} // namespace
} // namespace podium::config
, "Labels of the node, for nodeSelector, besides the well-known ones."
}
, {"maxPods", PODIUM_INTEGER(max_pods), "How many pods the node takes.", 1},
    {"runtime", PODIUM_TEXT(runtime), "The OCI runtime: auto takes crun where it works, else runc.",
     0,         unit::none,           "auto crun runc"},
    {"logLevel", PODIUM_TEXT(log_level),       "What the daemon logs.", 0,
     unit::none, "trace debug info warn error"},
    {"api.listen", PODIUM_TEXT(api.listen), "Address and port of the API server.", 0, unit::none, {},
     check_listen},
    {"api.maxConnections", PODIUM_INTEGER(api.max_connections), "Connections open at once; more are refused.",
     1},
    {"api.maxWatches", PODIUM_INTEGER(api.max_watches), "Watches open at once; more are answered 429.", 1},
    {"api.maxHeaderBytes", PODIUM_INTEGER(api.max_header_bytes), "Bytes of a request's header.", 1024,
     unit::bytes},
    {"api.maxBodyBytes", PODIUM_INTEGER(api.max_body_bytes), "Bytes of a request's body.", 1024, unit::bytes},
    {"api.idleTimeout", PODIUM_DURATION(api.idle_timeout), "How long an idle connection is kept.", second},
    {"api.watchTimeout", PODIUM_DURATION(api.watch_timeout), "How long a watch lives that names no timeout.",
     second},
    {"network.podCIDR",
     PODIUM_TEXT(network.pod_cidr),
     "The range of pod addresses.",
     0,
     unit::none,
     {},
     [](const settings& s) { return first_of(check_cidr(s.network.pod_cidr)); }},
    {"network.bridge",
     PODIUM_TEXT(network.bridge),
     "The bridge that pods are connected to; made if missing.",
     0,
     unit::none,
     {},
     check_bridge},
    {"network.mtu", PODIUM_INTEGER(network.mtu), "MTU of pod interfaces; 0 takes that of the default route."},
    {"registryMirrors", mirrors_of{[](settings & s) -> auto& {return s.registry_mirrors;
}
}
, "By registry host, a list of places tried before the registry itself: {layout: directory of an OCI layout} "
  "or "
  "{registry: host, insecure: true|false}."
}
, {"images.parallelPulls", PODIUM_INTEGER(images.parallel_pulls), "Images pulled at the same time.", 1},
    {"images.pullTimeout", PODIUM_DURATION(images.pull_timeout), "How long one pull may take.", second},
    {"crashLoopBackOff.first", PODIUM_DURATION(crash_loop_back_off.first),
     "The wait before the second restart of a container (the first is immediate)."},
    {"crashLoopBackOff.factor", PODIUM_NUMBER(crash_loop_back_off.factor),
     "What each further wait is multiplied by.", 1},
    {"crashLoopBackOff.max", PODIUM_DURATION(crash_loop_back_off.max), "The longest wait."},
    {"crashLoopBackOff.reset", PODIUM_DURATION(crash_loop_back_off.reset),
     "A container that ran this long starts over with the first wait."},
    {"imagePullBackOff.first", PODIUM_DURATION(image_pull_back_off.first),
     "The wait after the first failed pull."},
    {"imagePullBackOff.factor", PODIUM_NUMBER(image_pull_back_off.factor),
     "What each further wait is multiplied by.", 1},
    {"imagePullBackOff.max", PODIUM_DURATION(image_pull_back_off.max), "The longest wait."},
    {"imagePullBackOff.reset", PODIUM_DURATION(image_pull_back_off.reset),
     "An image not asked for this long starts over with the first wait."},
    {"grace.factor", PODIUM_NUMBER(grace.factor), "Multiplies every termination grace period."},
    {"grace.minimum", PODIUM_DURATION(grace.minimum), "The least time between the stop signal and SIGKILL."},
    {"logs.maxBytes", PODIUM_INTEGER(logs.max_bytes), "Bytes of a container's log file before it is rotated.",
     4096, unit::bytes},
    {"logs.maxFiles", PODIUM_INTEGER(logs.max_files), "Log files kept of a container.", 1},
    {"store.kind",
     PODIUM_TEXT(store.kind),
     "Where objects are stored; memory forgets them when the daemon ends.",
     0,
     unit::none,
     "sqlite memory"},
    {"store.watchHistory", PODIUM_INTEGER(store.watch_history), "Changes kept for watchers, per resource.",
     1},
    {"events.ttl", PODIUM_DURATION(events.ttl), "How long events are kept.", second},
    {"events.maxCount", PODIUM_INTEGER(events.max_count), "Events kept at once; the oldest go first.", 1},
}
;

#undef PODIUM_TEXT
#undef PODIUM_INTEGER
#undef PODIUM_NUMBER
#undef PODIUM_DURATION

std::string number_text(double number) {
  char buffer[64];
  auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, number);
  return {buffer, end};
}

/// Writes one value into the settings; the text of the mistake, or empty.
class value_reader {
public:
  value_reader(settings& into, const setting_row& row, const json::value& value)
      : into_(into), row_(row), value_(value) {}

  std::string operator()(text_of target) {
    const auto* text = value_.if_string();
    if (text == nullptr) return "must be text";
    std::string is{*text};
    if (!row_.choices.empty() && !is_choice(is)) return "must be one of: " + std::string{row_.choices};
    target(into_) = is;
    return {};
  }
  std::string operator()(integer_of target) {
    int64_t number = 0;
    if (value_.is_int64()) {
      number = value_.get_int64();
    } else if (row_.in == unit::bytes && value_.is_string()) {
      auto amount = quantity::parse(value_.get_string());
      if (!amount) return message_of(amount.error());
      number = amount->value();
    } else {
      return row_.in == unit::bytes ? "must be a number of bytes, such as 64Ki" : "must be a whole number";
    }
    if (number < row_.low) return "must be at least " + std::to_string(row_.low);
    target(into_) = number;
    return {};
  }
  std::string operator()(number_of target) {
    if (!value_.is_number()) return "must be a number";
    auto number = value_.to_number<double>();
    if (number < static_cast<double>(row_.low)) return "must be at least " + std::to_string(row_.low);
    target(into_) = number;
    return {};
  }
  std::string operator()(duration_of target) {
    const auto* text = value_.if_string();
    auto duration = text == nullptr ? std::nullopt : parse_go_duration(std::string_view{*text});
    if (!duration) return "must be a duration, such as 300ms, 10s or 1m20s";
    if (duration->count() < row_.low) return "must be at least " + to_go_duration(nanoseconds{row_.low});
    target(into_) = *duration;
    return {};
  }
  std::string operator()(labels_of target) {
    const auto* labels = value_.if_object();
    if (labels == nullptr) return "must be a map of labels";
    for (const auto& [key, value] : *labels) {
      if (!value.is_string()) return "the label " + std::string{key} + " must be text (quote it)";
      std::string text{value.get_string()};
      for (const auto& problems : {check_qualified_name(key), check_label_value(text)})
        if (!problems.empty()) return "the label " + std::string{key} + ": " + problems.front();
      target(into_)[std::string{key}] = text;
    }
    return {};
  }
  std::string operator()(mirrors_of target) {
    const auto* hosts = value_.if_object();
    if (hosts == nullptr) return "must be a map of registry hosts";
    for (const auto& [host, list] : *hosts) {
      if (!list.is_array()) return std::string{host} + " must have a list of mirrors";
      auto& mirrors = target(into_)[std::string{host}];
      for (const auto& item : list.get_array()) {
        registry_mirror mirror;
        if (auto problem = read_mirror(item, mirror); !problem.empty())
          return std::string{host} + ": " + problem;
        mirrors.push_back(std::move(mirror));
      }
    }
    return {};
  }

private:
  bool is_choice(std::string_view text) const {
    for (auto rest = row_.choices; !rest.empty();) {
      auto space = std::min(rest.find(' '), rest.size());
      if (rest.substr(0, space) == text) return true;
      rest.remove_prefix(std::min(space + 1, rest.size()));
    }
    return false;
  }

  static std::string read_mirror(const json::value& item, registry_mirror& out) {
    constexpr const char* shape = "a mirror is {layout: directory} or {registry: host, insecure: true|false}";
    const auto* object = item.if_object();
    if (object == nullptr) return shape;
    for (const auto& [key, value] : *object) {
      if (key == "layout" && value.is_string())
        out.layout = std::string{value.get_string()};
      else if (key == "registry" && value.is_string())
        out.registry = std::string{value.get_string()};
      else if (key == "insecure" && value.is_bool())
        out.insecure = value.get_bool();
      else
        return shape;
    }
    return out.layout.empty() == out.registry.empty() ? shape : std::string{};
  }

  settings& into_;
  const setting_row& row_;
  const json::value& value_;
};

/// A setting's value as it would stand in a file.
struct value_printer {
  settings& from;
  const setting_row& row;

  std::string operator()(text_of target) const { return target(from).empty() ? "\"\"" : target(from); }
  std::string operator()(integer_of target) const {
    auto number = target(from);
    return row.in == unit::bytes ? quantity::of_bytes(number).to_string() : std::to_string(number);
  }
  std::string operator()(number_of target) const { return number_text(target(from)); }
  std::string operator()(duration_of target) const { return to_go_duration(target(from)); }
  std::string operator()(labels_of) const { return "{}"; }
  std::string operator()(mirrors_of) const { return "{}"; }
};

std::string_view type_of_row(const setting_row& row) {
  if (!row.choices.empty()) return "choice";
  if (row.in == unit::bytes) return "bytes";
  constexpr std::string_view names[] = {"text", "integer", "number", "duration", "labels", "mirrors"};
  return names[row.target.index()];
}

class settings_reader {
public:
  explicit settings_reader(const document& doc) : doc_(doc) {}

  void read(const json::object& in, const std::string& path) {
    for (const auto& [key, value] : in) {
      auto here = join_path(path, key);
      auto row =
          std::find_if(std::begin(rows), std::end(rows), [&](const auto& r) { return r.path == here; });
      if (row != std::end(rows)) {
        if (!value.is_null()) set(*row, value, here);
      } else if (is_group(here)) {
        if (const auto* object = value.if_object())
          read(*object, here);
        else if (!value.is_null())
          problem(doc_.locate(here).value, here + " must be a map of settings");
      } else {
        problem(doc_.locate(here).key, "there is no setting " + here + hint(here));
      }
    }
  }

  settings result;
  std::string problems;

private:
  static bool is_group(const std::string& path) {
    return std::any_of(std::begin(rows), std::end(rows),
                       [&](const auto& row) { return row.path.starts_with(path + "."); });
  }

  static std::string hint(std::string_view path) {
    auto plain = [](std::string_view text) {
      std::string out;
      for (char c : text)
        if (c != '_' && c != '-') out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      return out;
    };
    for (const auto& row : rows)
      if (plain(row.path) == plain(path)) return " (did you mean " + std::string{row.path} + "?)";
    return " (podium settings lists them)";
  }

  void set(const setting_row& row, const json::value& value, const std::string& path) {
    auto text = std::visit(value_reader{result, row, value}, row.target);
    if (text.empty() && row.check != nullptr) text = row.check(result);
    if (!text.empty()) problem(doc_.locate(path).value, path + " " + text);
  }

  void problem(source_position at, const std::string& text) {
    auto where = to_string(doc_.source, at);
    problems += (problems.empty() ? "" : "\n") + (where.empty() ? "" : where + ": ") + text;
  }

  const document& doc_;
};

caf::expected<settings> read_documents(const std::vector<document>& documents, const std::string& source) {
  if (documents.empty()) return settings{};
  if (documents.size() > 1)
    return make_error(errc::bad_request,
                      (source.empty() ? "" : source + ": ") + "one document is wanted, not several");
  const auto& doc = documents.front();
  const auto* object = doc.root.if_object();
  if (object == nullptr)
    return make_error(errc::bad_request,
                      (source.empty() ? "" : source + ": ") + "settings are a map of names and values");
  settings_reader reader{doc};
  reader.read(*object, "");
  if (!reader.problems.empty()) return make_error(errc::bad_request, reader.problems);
  return std::move(reader.result);
}

} // namespace

std::vector<setting_info> all_settings() {
  settings defaults;
  std::vector<setting_info> out;
  for (const auto& row : rows)
    out.push_back(
        {row.path, type_of_row(row), std::visit(value_printer{defaults, row}, row.target), row.doc});
  return out;
}

caf::expected<settings> parse_settings(std::string_view yaml, const std::string& source) {
  auto documents = parse_yaml(yaml, source);
  if (!documents) return std::move(documents.error());
  return read_documents(*documents, source);
}

caf::expected<settings> read_settings(const std::string& path) {
  auto documents = read_manifest(path);
  if (!documents) return std::move(documents.error());
  return read_documents(*documents, path);
}

std::string settings_reference() {
  std::string out;
  std::string group;
  for (const auto& info : all_settings()) {
    auto dot = info.path.find('.');
    std::string_view here = dot == std::string_view::npos ? std::string_view{} : info.path.substr(0, dot);
    auto name = dot == std::string_view::npos ? info.path : info.path.substr(dot + 1);
    if (here != group) {
      group = here;
      if (!group.empty()) out += group + ":\n";
    }
    std::string indent = group.empty() ? "" : "  ";
    out += indent + "# " + std::string{info.doc} + " (" + std::string{info.type} + ")\n";
    out += indent + std::string{name} + ": " + info.default_value + "\n";
  }
  return out;
}

} // namespace podium::config
