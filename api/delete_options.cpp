#include "api/delete_options.hpp"

#include "api/list_options.hpp"
#include "config/json_access.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace podium::api {
namespace {

namespace json = boost::json;

failure invalid_options(const config::field_causes& causes) {
  return {config::make_invalid_status({"", "meta.k8s.io", "DeleteOptions", ""}, causes)};
}

std::optional<failure> check_propagation(const std::string& policy, bool orphans_named) {
  constexpr std::string_view policies[] = {"Foreground", "Background", "Orphan"};
  config::field_causes causes;
  if (orphans_named && !policy.empty())
    causes.invalid("propagationPolicy", json::value(policy),
                   "orphanDependents and deletionPropagation cannot be both set");
  if (!policy.empty() && std::find(std::begin(policies), std::end(policies), policy) == std::end(policies))
    causes.not_supported("propagationPolicy", policy, {"Foreground", "Background", "Orphan", "nil"});
  return causes.empty() ? std::nullopt : std::optional{invalid_options(causes)};
}

void take_orphans(bool orphans, delete_options& out) {
  out.propagation = orphans ? "Orphan" : "Background";
  out.orphans_refused = !orphans;
}

/// A negative grace period is one second, as Kubernetes reads it.
int64_t grace(int64_t seconds) {
  return seconds < 0 ? 1 : seconds;
}

} // namespace

std::optional<failure> take_delete_options(const json::object& from, delete_options& out) {
  if (config::has(from, "gracePeriodSeconds"))
    out.grace_seconds = grace(config::int_at(from, "gracePeriodSeconds"));
  auto policy = std::string{config::text_at(from, "propagationPolicy")};
  bool orphans_named = config::has(from, "orphanDependents");
  if (auto f = check_propagation(policy, orphans_named)) return f;
  if (!policy.empty()) out.propagation = policy;
  if (orphans_named) take_orphans(config::bool_at(from, "orphanDependents"), out);
  if (auto* pre = config::object_at(from, "preconditions")) {
    if (config::has(*pre, "uid")) out.uid = config::text_at(*pre, "uid");
    if (config::has(*pre, "resourceVersion")) out.version = config::text_at(*pre, "resourceVersion");
  }
  for (auto& item : config::list_at(from, "dryRun")) {
    if (item == json::value("All")) {
      out.dry_run = true;
      continue;
    }
    config::field_causes causes;
    causes.not_supported("dryRun", item.is_string() ? std::string_view{item.get_string()} : "", {"All"});
    return invalid_options(causes);
  }
  return {};
}

outcome<delete_options> read_delete_options(call& c) {
  delete_options out;
  auto& query = c.query();
  auto dry_run = is_dry_run(query);
  if (auto* f = std::get_if<failure>(&dry_run)) return std::move(*f);
  out.dry_run = std::get<bool>(dry_run);
  auto seconds = parse_number(query, "gracePeriodSeconds");
  if (!seconds) return bad_request(message_of(seconds.error()));
  if (*seconds) out.grace_seconds = grace(**seconds);
  auto policy = std::string{query.get("propagationPolicy").value_or("")};
  if (auto f = check_propagation(policy, query.has("orphanDependents"))) return std::move(*f);
  out.propagation = policy;
  if (query.has("orphanDependents")) take_orphans(query.flag("orphanDependents"), out);
  if (c.request().body.empty()) return out;
  auto body = read_object(c, {"", "v1", "DeleteOptions"});
  if (auto* f = std::get_if<failure>(&body)) return std::move(*f);
  if (auto f = take_delete_options(std::get<json::object>(body), out)) return std::move(*f);
  return out;
}

std::optional<failure> unmet_precondition(const resource& r, const delete_options& options,
                                          const object& current) {
  auto version = std::to_string(current.resource_version());
  auto wrong_uid = options.uid && *options.uid != current.uid();
  if (!wrong_uid && (!options.version || *options.version == version)) return {};
  std::string what = wrong_uid ? "UID" : "ResourceVersion";
  auto& given = wrong_uid ? *options.uid : *options.version;
  auto& is = wrong_uid ? current.uid() : version;
  if (r.stored_as == "namespaces")
    return conflict(r, current.key().name,
                    "Precondition failed: " + what + " in precondition: " + given + ", " + what
                        + " in object meta: " + is);
  config::status_subject about{current.key().name, std::string{r.group}, std::string{r.kind}, {}};
  return failure{config::make_conflict_status(
      about, "the " + what + " in the precondition (" + given + ") does not match the " + what
                 + " in record (" + is + "). The object might have been "
                 + (wrong_uid ? "deleted and then recreated" : "modified"))};
}

delete_object delete_request(const delete_options& o, object_key key) {
  uint64_t version = 0;
  if (o.version) {
    auto end = o.version->data() + o.version->size();
    auto parsed = std::from_chars(o.version->data(), end, version);
    if (parsed.ec != std::errc{} || parsed.ptr != end || version == 0)
      version = std::numeric_limits<uint64_t>::max(); // no object's
  }
  return {std::move(key), o.grace_seconds, o.uid.value_or(""), version, o.propagation, o.dry_run};
}

} // namespace podium::api
