#include "api/managed_fields.hpp"

#include "config/json_access.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <tuple>

namespace podium::api {
namespace {

namespace json = boost::json;
using config::field_set;
using config::text_at;

constexpr size_t max_update_managers = 10; // as Kubernetes: older ones are merged
constexpr size_t max_managers = 1000;      // appliers are not merged, but they end somewhere
constexpr std::string_view ancient_changes = "ancient-changes";

/// An Update's version is part of who it is, an Apply's is not.
auto identity_of(const field_manager& m) {
  return std::tie(m.name, m.applies, m.applies ? m.subresource : m.api_version, m.subresource);
}

field_manager* find_manager(field_managers& managers, const field_manager& who) {
  auto it = std::find_if(managers.begin(), managers.end(),
                         [&](auto& m) { return identity_of(m) == identity_of(who); });
  return it == managers.end() ? nullptr : &*it;
}

void drop_empty(field_managers& managers) {
  std::erase_if(managers, [](auto& m) { return m.fields.empty(); });
}

caf::error broken(const std::string& what) {
  return make_error(errc::bad_request, what);
}

caf::error too_many_managers() {
  return make_error(errc::too_large, "metadata.managedFields: Too many: must have at most "
                                         + std::to_string(max_managers) + " items");
}

caf::expected<field_manager> read_manager(const json::value& entry) {
  field_manager out;
  auto operation = text_at(entry, "operation");
  if (operation != "Apply" && operation != "Update") return broken("operation must be `Apply` or `Update`");
  out.applies = operation == "Apply";
  out.name = text_at(entry, "manager");
  out.api_version = text_at(entry, "apiVersion");
  if (out.api_version.empty()) return broken("apiVersion must not be empty");
  if (text_at(entry, "fieldsType") != "FieldsV1") return broken("fieldsType must be `FieldsV1`");
  out.subresource = text_at(entry, "subresource");
  out.time = text_at(entry, "time");
  auto* fields = config::member(entry, "fieldsV1");
  if (!fields) return out;
  auto set = config::parse_fields_v1(*fields);
  if (!set) return set.error();
  out.fields = std::move(*set);
  return out;
}

json::object entry_of(const field_manager& m) {
  json::object out{{"manager", m.name}, {"operation", m.applies ? "Apply" : "Update"}};
  out["apiVersion"] = m.api_version;
  if (!m.time.empty()) out["time"] = m.time;
  out["fieldsType"] = "FieldsV1";
  out["fieldsV1"] = config::to_fields_v1(m.fields);
  if (!m.subresource.empty()) out["subresource"] = m.subresource;
  return out;
}

/// Merges the oldest of too many updaters: they are told apart no longer.
void cap_updaters(field_managers& managers, const std::string& version) {
  std::vector<field_manager> updaters;
  std::erase_if(managers, [&](auto& m) {
    if (!m.applies) updaters.push_back(std::move(m));
    return !m.applies;
  });
  std::stable_sort(updaters.begin(), updaters.end(), [](auto& a, auto& b) {
    auto rank = [](auto& m) {
      return std::make_tuple(m.name != ancient_changes, m.time, m.name, m.subresource);
    };
    return rank(a) < rank(b);
  });
  if (updaters.size() > max_update_managers) {
    auto last = updaters.begin() + static_cast<ptrdiff_t>(updaters.size() - max_update_managers);
    field_manager old{std::string{ancient_changes}, false, version, {}, last->time, {}};
    for (auto it = updaters.begin(); it <= last; ++it)
      config::unite(old.fields, it->fields);
    *last = std::move(old);
    updaters.erase(updaters.begin(), last);
  }
  std::move(updaters.begin(), updaters.end(), std::back_inserter(managers));
}

/// The managers that count: those of versions that are not served know nothing of this object.
void drop_other_versions(field_managers& managers, const field_write& by) {
  std::erase_if(managers, [&](auto& m) { return m.api_version != by.gvk.api_version(); });
}

/// What differs, without what this way in does not change.
config::comparison changes(const json::value& before, const json::value& after, const field_write& by) {
  static const auto bookkeeping = config::make_field_set({"metadata.managedFields"});
  auto out = config::compare(before, after, *by.type);
  for (auto* set : {&out.added, &out.removed, &out.modified})
    *set = config::subtract_trees(config::subtract_trees(std::move(*set), by.ignored), bookkeeping);
  return out;
}

/// All that differs is taken from its managers and given to `by`'s.
void note_update(const config::comparison& change, field_managers& managers, const field_write& by) {
  auto taken = change.added;
  config::unite(taken, change.modified);
  for (auto& m : managers)
    m.fields = config::subtract(config::subtract(std::move(m.fields), taken), change.removed);
  auto own = config::subtract(std::move(taken), unowned_fields());
  field_manager who{by.manager, false, by.gvk.api_version(), by.subresource, by.time, {}};
  if (!own.empty()) {
    auto* known = find_manager(managers, who);
    if (!known) known = &managers.emplace_back(who);
    config::unite(known->fields, own);
    known->time = by.time;
  }
  drop_empty(managers);
}

bool is_reset(const json::value& document) {
  auto* meta = config::object_at(document, "metadata");
  if (!meta) return false;
  auto& entries = config::list_at(*meta, "managedFields");
  return entries.size() == 1 && entries[0].is_object() && entries[0].get_object().empty();
}

/// Takes metadata.managedFields out of a document; null if it has none.
json::value take_entries(json::value& document) {
  auto* object = document.if_object();
  auto* meta = object ? object->if_contains("metadata") : nullptr;
  auto* fields = meta && meta->is_object() ? meta->get_object().if_contains("managedFields") : nullptr;
  if (!fields) return nullptr;
  auto out = std::move(*fields);
  meta->get_object().erase("managedFields");
  return out;
}

void put_entries(json::value& document, json::value entries) {
  if (!entries.is_null())
    config::make_object(document.as_object(), "metadata")["managedFields"] = std::move(entries);
}

/// The entries without their times, which are part of their order, too.
std::vector<std::string> timeless(const json::array& entries) {
  std::vector<std::string> out;
  for (auto entry : entries) {
    if (auto* object = entry.if_object()) object->erase("time");
    out.push_back(json::serialize(entry));
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool same_but_times(const json::value& a, const json::value& b) {
  auto *x = a.if_array(), *y = b.if_array();
  if (!x || !y) return a == b;
  return a == b || (x->size() == y->size() && timeless(*x) == timeless(*y));
}

} // namespace

const field_set& unowned_fields() {
  static const auto set = config::make_field_set(
      {"apiVersion", "kind", "metadata", "metadata.name", "metadata.namespace", "metadata.creationTimestamp",
       "metadata.selfLink", "metadata.uid", "metadata.clusterName", "metadata.generation",
       "metadata.managedFields", "metadata.resourceVersion"});
  return set;
}

std::string field_manager::to_string() const {
  auto out = json::serialize(json::value(name));
  if (!subresource.empty()) out += " with subresource " + json::serialize(json::value(subresource));
  return applies ? out : out + " using " + api_version;
}

caf::expected<field_managers> read_managers(const json::object& document) {
  field_managers out;
  auto* meta = config::object_at(document, "metadata");
  if (!meta) return out;
  auto& entries = config::list_at(*meta, "managedFields");
  if (entries.size() > max_managers) return too_many_managers();
  for (auto& entry : entries) {
    auto manager = read_manager(entry);
    if (!manager) return manager.error();
    // Of entries with one identity the last counts.
    if (auto* known = find_manager(out, *manager))
      *known = std::move(*manager);
    else
      out.push_back(std::move(*manager));
  }
  return out;
}

caf::error check_managers(const field_managers& managers) {
  return managers.size() > max_managers ? too_many_managers() : caf::error{};
}

void write_managers(json::value& document, field_managers managers) {
  std::sort(managers.begin(), managers.end(), [](auto& a, auto& b) {
    auto rank = [](auto& m) {
      return std::make_tuple(!m.applies, std::string_view{m.time}, std::string_view{m.name},
                             std::string_view{m.api_version}, std::string_view{m.subresource});
    };
    return rank(a) < rank(b);
  });
  json::array entries;
  for (auto& m : managers)
    entries.push_back(entry_of(m));
  put_entries(document, std::move(entries));
}

json::value empty_document(const config::schema_type& type, const config::group_version_kind& gvk) {
  json::object out{{"kind", gvk.kind}, {"apiVersion", gvk.api_version()}};
  for (auto& member : type.by_json_name) {
    auto& field = *member.field;
    // These are there in each object; an empty one of another name would say something.
    if (field.name != "metadata" && field.name != "spec" && field.name != "status") continue;
    if (!field.object || field.shape != config::field_shape::single) continue;
    json::object part;
    for (auto& inner : field.object->by_json_name)
      if (inner.field->has(config::f_required) && inner.field->shape == config::field_shape::list)
        part[inner.field->name] = json::array{};
    out[field.name] = std::move(part);
  }
  return out;
}

void track_update(const json::value& before, json::value& after, const field_write& by, bool creating) {
  auto had = config::object_at(before, "metadata");
  auto* old_entries = had ? had->if_contains("managedFields") : nullptr;
  bool through_part = !by.subresource.empty();
  bool reset = !through_part && is_reset(after);
  auto given = read_managers(through_part ? before : after);
  bool from_body = !through_part && given && !given->empty();
  auto entries = take_entries(after);
  field_managers managers;
  if (from_body)
    managers = std::move(*given);
  else if (!reset)
    if (auto live = read_managers(before)) managers = std::move(*live);
  if (managers.empty() && !creating) return put_entries(after, json::array{});
  auto change = changes(before, after, by);
  if (change.empty() && old_entries && (!from_body || entries == *old_entries))
    return put_entries(after, *old_entries);
  drop_other_versions(managers, by);
  note_update(change, managers, by);
  cap_updaters(managers, by.gvk.api_version());
  write_managers(after, std::move(managers));
}

void keep_times(json::value& before, json::value& after) {
  auto old_entries = take_entries(before), entries = take_entries(after);
  bool same = same_but_times(old_entries, entries) && before == after;
  put_entries(after, same ? old_entries : std::move(entries));
  put_entries(before, std::move(old_entries));
}

} // namespace podium::api
