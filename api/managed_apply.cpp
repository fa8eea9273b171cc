// Server-side apply: a configuration merged into an object, with what its manager gives up and who objects.
#include "api/managed_fields.hpp"
#include "config/decode.hpp"
#include "config/json_access.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <map>

namespace podium::api {
namespace {

namespace json = boost::json;
using config::field_set;

constexpr std::string_view last_applied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr size_t max_annotation_bytes = 256 * 1024;

field_set minus(const field_set& a, const field_set& b) {
  return config::subtract(a, b);
}

/// The document in the form in which it is stored, without nulls.
caf::expected<json::value> canonical(json::value document, const config::group_version_kind& gvk) {
  config::document wrapped;
  wrapped.root = std::move(document);
  wrapped.places = std::make_shared<config::place_table>();
  auto decoded = config::decode(wrapped, gvk, config::field_validation::ignore);
  if (!decoded.ok()) return make_error(errc::bad_request, config::api_message(decoded));
  auto out = std::move(decoded.object);
  if (auto* object = out.if_object()) {
    (*object)["kind"] = gvk.kind;
    (*object)["apiVersion"] = gvk.api_version();
  }
  return out;
}

/// `set`'s fields that `document` has, its declared members among them.
field_set named_fields_of(const json::value& document, const config::schema_type& type) {
  return config::with_named_fields(config::fields_of(document, type), type);
}

/// Takes away what the manager applied before (`last`) and nobody owns now. First all of `last`, then what
/// others own is put back, then what was never the manager's.
json::value prune(const json::value& merged, const field_managers& managers, const field_set& last,
                  const config::schema_type& type) {
  if (last.empty()) return merged;
  field_set owned;
  for (auto& m : managers)
    config::unite(owned, m.fields);
  auto all = named_fields_of(merged, type);
  auto last_named = config::with_named_fields(last, type);
  auto pruned = config::remove_fields(merged, last_named, type);
  auto keep = named_fields_of(pruned, type);
  config::unite(keep, config::with_named_fields(owned, type));
  pruned = config::remove_fields(merged, minus(all, keep), type);
  auto gone = config::intersect(minus(all, named_fields_of(pruned, type)), last_named);
  return config::remove_fields(merged, gone, type);
}

/// The fields that a configuration sets to null: they lose their values.
void collect_nulls(const json::value& v, const field_set& fields, field_set& out) {
  auto* object = v.if_object();
  if (!object) return;
  for (auto& [key, member] : *object) {
    auto element = config::field_element(key);
    auto* below = fields.find(element);
    if (!below) continue;
    if (member.is_null()) {
      out.children[element].owned = true;
      continue;
    }
    field_set inner;
    collect_nulls(member, *below, inner);
    if (!inner.empty()) out.children[element] = std::move(inner);
  }
}

/// One go at an apply. Conflicts are by their managers, in the order of `managers`.
struct attempt {
  const json::value& live;
  const json::value& configuration;
  const field_write& by;
  field_managers managers;
  json::value document;
  std::vector<std::pair<field_manager, field_set>> conflicts;

  caf::error run(bool force);

private:
  /// Sets the manager's entry to the configuration's fields; returns those it had.
  field_set claim(const field_set& fields);
};

field_set attempt::claim(const field_set& fields) {
  field_set last;
  for (auto& m : managers)
    if (m.applies && m.name == by.manager && m.subresource == by.subresource) {
      last = std::move(m.fields);
      m.fields = fields;
      m.api_version = by.gvk.api_version();
      return last;
    }
  managers.push_back({by.manager, true, by.gvk.api_version(), by.subresource, "", fields});
  return last;
}

caf::error attempt::run(bool force) {
  auto& type = *by.type;
  auto fields = config::subtract_trees(config::fields_of(configuration, type), by.ignored);
  auto last = claim(fields);
  auto merged = config::merge_applied(live, configuration, type);
  auto settled = canonical(prune(merged, managers, last, type), by.gvk);
  if (!settled) return settled.error();
  document = std::move(*settled);
  auto change = config::compare(live, document, type);
  for (auto* set : {&change.added, &change.removed, &change.modified})
    *set = config::subtract_trees(*set, by.ignored);
  // A value that is set to null is changed as far as its owners are concerned, not merely dropped.
  field_set nulls;
  collect_nulls(configuration, fields, nulls);
  auto taken = config::intersect(change.removed, nulls);
  config::unite(taken, change.added);
  config::unite(taken, change.modified);
  auto is_self = [&](const field_manager& m) {
    return m.applies && m.name == by.manager && m.subresource == by.subresource;
  };
  for (auto& m : managers)
    if (auto lost = is_self(m) ? field_set{} : config::intersect(m.fields, taken); !lost.empty())
      conflicts.emplace_back(m, std::move(lost));
  if (!force && !conflicts.empty()) return {};
  auto& unowned = unowned_fields();
  for (auto& m : managers) {
    if (is_self(m)) {
      m.fields = minus(m.fields, unowned);
      if (m.time.empty() || !change.empty() || m.fields != minus(last, unowned)) m.time = by.time;
    } else {
      m.fields = minus(minus(m.fields, taken), change.removed);
    }
  }
  std::erase_if(managers, [](auto& m) { return m.fields.empty(); });
  conflicts.clear();
  return {};
}

std::string_view annotation_of(const json::value& document) {
  auto* meta = config::object_at(document, "metadata");
  auto* annotations = meta ? config::object_at(*meta, "annotations") : nullptr;
  return annotations ? config::text_at(*annotations, last_applied) : std::string_view{};
}

/// The fields that a client-side apply has set and that still have its values: kubectl may take them over
/// without being asked to force it.
field_set last_applied_fields(const json::value& live, const field_write& by) {
  boost::system::error_code ec;
  auto given = json::parse(annotation_of(live), ec);
  if (ec || !given.is_object()) return {};
  auto document = canonical(std::move(given), by.gvk);
  if (!document) return {};
  auto change = config::compare(*document, live, *by.type);
  auto out = config::fields_of(*document, *by.type);
  for (auto* set : {&change.added, &change.removed, &change.modified})
    out = minus(out, *set);
  return out;
}

json::value sorted(const json::value& v) {
  if (auto* list = v.if_array()) {
    json::array out;
    for (auto& item : *list)
      out.push_back(sorted(item));
    return out;
  }
  auto* object = v.if_object();
  if (!object) return v;
  std::map<std::string_view, const json::value*> members;
  for (auto& [key, member] : *object)
    members[key] = &member;
  json::object out;
  for (auto& [key, member] : members)
    out[key] = sorted(*member);
  return out;
}

/// Keeps the annotation of client-side apply in step, so that one can go back to it.
void renew_last_applied(json::value& document, json::value configuration) {
  if (annotation_of(document).empty()) return;
  auto& meta = config::make_object(configuration.as_object(), "metadata");
  config::with_object(meta, "annotations", [](json::object& a) { a.erase(last_applied); });
  auto text = json::serialize(sorted(configuration)) + "\n";
  config::with_object(document.as_object(), "metadata", [&](json::object& m) {
    config::with_object(m, "annotations", [&](json::object& a) {
      if (text.size() > max_annotation_bytes)
        a.erase(last_applied);
      else
        a[last_applied] = text;
    });
  });
}

/// An object from before the book-keeping: all that it has is somebody's.
field_managers first_managers(const json::value& live, const field_write& by) {
  auto document = live;
  field_write before_first_apply = by;
  before_first_apply.manager = "before-first-apply";
  before_first_apply.subresource.clear();
  track_update(empty_document(*by.type, by.gvk), document, before_first_apply, true);
  auto out = read_managers(document);
  return out ? std::move(*out) : field_managers{};
}

} // namespace

caf::expected<applied> apply_configuration(const json::value& live, const json::value& configuration,
                                           const field_write& by, bool force) {
  auto known = read_managers(live);
  auto managers = known ? std::move(*known) : field_managers{};
  std::erase_if(managers, [&](auto& m) { return m.api_version != by.gvk.api_version(); });
  if (managers.empty()) managers = first_managers(live, by);
  auto bare = live;
  if (auto* meta = bare.as_object().if_contains("metadata"); meta && meta->is_object())
    meta->get_object().erase("managedFields");
  attempt a{bare, configuration, by, managers, {}, {}};
  if (auto err = a.run(force)) return err;
  if (!a.conflicts.empty() && by.manager == "kubectl") {
    auto allowed = last_applied_fields(bare, by);
    for (auto& [manager, fields] : a.conflicts)
      fields = minus(fields, allowed);
    std::erase_if(a.conflicts, [](auto& c) { return c.second.empty(); });
    if (a.conflicts.empty()) {
      a.managers = managers;
      if (auto err = a.run(true)) return err;
    }
  }
  applied out;
  std::sort(a.conflicts.begin(), a.conflicts.end(),
            [](auto& x, auto& y) { return x.first.to_string() < y.first.to_string(); });
  for (auto& [manager, fields] : a.conflicts)
    config::each_path(fields, [&, &who = manager](const std::string& path) {
      out.conflicts.push_back({who.to_string(), path});
    });
  if (!out.conflicts.empty()) return out;
  if (auto err = check_managers(a.managers)) return err;
  if (by.manager == "kubectl") renew_last_applied(a.document, configuration);
  write_managers(a.document, std::move(a.managers));
  out.document = std::move(a.document);
  return out;
}

} // namespace podium::api
