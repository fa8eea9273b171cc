#include "actors/event_recorder_rules.hpp"

#include <algorithm>
#include <cstdio>

namespace podium::event_rules {
namespace {

namespace json = boost::json;

/// Joins texts so that different lists never give the same key.
template <class... T>
std::string joined(const T&... parts) {
  std::string out;
  ((out.append(parts).push_back('\0')), ...);
  return out;
}

std::string source_key(const record_event& e) {
  return joined(e.component, e.host, e.involved.resource, e.involved.ns, e.involved.name, e.uid);
}

/// "apps/v1" of "deployments.apps"; core resources have no group.
std::string api_version(const std::string& resource) {
  auto dot = resource.find('.');
  return dot == resource.npos ? "v1" : resource.substr(dot + 1) + "/v1";
}

void put_if(json::object& object, std::string_view name, const std::string& value) {
  if (!value.empty()) object[name] = value;
}

} // namespace

std::string event_namer::name(std::string_view object, wall_time now) {
  auto nanos = static_cast<uint64_t>(now.time_since_epoch().count());
  auto id = (nanos & ~low_bits) | salt_;
  if (id <= last_) id = last_ + low_bits + 1;
  last_ = id;
  char hex[17];
  std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(id));
  return std::string{object} + '.' + hex;
}

bool correlator::combine(const std::string& key, const std::string& message, clock_time now) {
  auto* group = groups_.find(key);
  if (!group) group = &groups_.put(key, {now, {}});
  if (now - group->last > similar_window) group->messages.clear();
  group->last = now;
  if (group->messages.count(message)) return false;
  if (group->messages.size() >= max_similar) return true;
  group->messages[message] = true;
  return false;
}

bool correlator::take_token(const std::string& source, clock_time now, nanoseconds refill) {
  auto* b = buckets_.find(source);
  if (!b) b = &buckets_.put(source, {burst, now});
  auto fresh = (now - b->filled) / refill;
  b->tokens = std::min<int64_t>(burst, b->tokens + fresh);
  b->filled = b->tokens == burst ? now : b->filled + fresh * refill;
  if (b->tokens == 0) return false;
  --b->tokens;
  return true;
}

const event_entry* correlator::add(const record_event& event, clock_time now, wall_time wall) {
  auto source = source_key(event);
  auto group = source + joined(event.kind, event.field_path, event.type, event.reason);
  auto combined = combine(group, event.message, now);
  auto key = combined ? group + '*' : group + joined(event.message);
  auto* entry = events_.find(key);
  if (!entry) entry = &events_.put(key, {event, namer_.name(event.involved.name, wall), 0, wall, wall});
  ++entry->count;
  entry->last = wall;
  if (combined) entry->what.message = "(combined from similar events): " + event.message;
  bool kill = event.reason == "Killing";
  auto refill = kill ? nanoseconds{kill_refill_period} : nanoseconds{refill_period};
  if (take_token(kill ? source + event.reason : source, now, refill)) return entry;
  ++held_back_;
  return nullptr;
}

std::string event_namespace(const object_key& involved) {
  return involved.ns.empty() ? "default" : involved.ns;
}

json::value event_document(const event_entry& entry) {
  auto& e = entry.what;
  json::object involved{{"kind", e.kind}};
  put_if(involved, "namespace", e.involved.ns);
  involved["name"] = e.involved.name;
  put_if(involved, "uid", e.uid);
  involved["apiVersion"] = api_version(e.involved.resource);
  put_if(involved, "fieldPath", e.field_path);
  json::object source{{"component", e.component}};
  put_if(source, "host", e.host);
  return {{"apiVersion", "v1"},
          {"kind", "Event"},
          {"metadata", {{"name", entry.name}, {"namespace", event_namespace(e.involved)}}},
          {"involvedObject", std::move(involved)},
          {"reason", e.reason},
          {"message", e.message},
          {"source", std::move(source)},
          {"firstTimestamp", to_rfc3339(entry.first)},
          {"lastTimestamp", to_rfc3339(entry.last)},
          {"count", entry.count},
          {"type", e.type},
          {"eventTime", nullptr},
          {"reportingComponent", e.component},
          {"reportingInstance", e.host}};
}

} // namespace podium::event_rules
