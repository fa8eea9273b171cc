#include "actors/registry_batch.hpp"

namespace podium {
namespace {

constexpr std::string_view row_prefix = "/registry/";

object_key key_of(const create_object& r) {
  return r.key;
}
object_key key_of(const update_object& r) {
  return r.key;
}
object_key key_of(const put_status& r) {
  return r.key;
}
object_key key_of(const bind_pod& r) {
  return {"pods", r.ns, r.name};
}
object_key key_of(const delete_object& r) {
  return r.key;
}

std::string member_text(const document_ref& document, const char* name) {
  auto* root = document.ptr ? document.ptr->if_object() : nullptr;
  auto* meta = root ? root->if_contains("metadata") : nullptr;
  auto* value = meta && meta->is_object() ? meta->get_object().if_contains(name) : nullptr;
  return value && value->is_string() ? std::string(value->get_string()) : std::string{};
}

} // namespace

bool is_volatile(const write_request& request) {
  return std::visit([](auto& r) { return registry_rules::is_volatile(key_of(r).resource); }, request);
}

bool may_wait(const write_request& request) {
  return std::visit(
      [](auto& r) {
        if constexpr (requires { r.may_wait; })
          return r.may_wait;
        else
          return false;
      },
      request);
}

std::string row_key(const object_key& key) {
  return std::string{row_prefix} + key.resource + '/' + key.ns + '/' + key.name;
}

std::optional<object_key> object_key_of_row(std::string_view row) {
  if (!row.starts_with(row_prefix)) return {};
  row.remove_prefix(row_prefix.size());
  auto first = row.find('/');
  auto second = first == row.npos ? row.npos : row.find('/', first + 1);
  if (second == row.npos || first == 0 || second + 1 == row.size()) return {};
  return object_key{std::string{row.substr(0, first)}, std::string{row.substr(first + 1, second - first - 1)},
                    std::string{row.substr(second + 1)}};
}

object_ref object_table::find(const object_key& key) const {
  auto i = objects_.find(key);
  return i == objects_.end() ? object_ref{} : i->second;
}

size_t object_table::count_in(const std::string& ns) const {
  auto i = counts_.find(ns);
  return i == counts_.end() ? 0 : i->second;
}

void object_table::put(const object_ref& ref) {
  auto [i, fresh] = objects_.insert_or_assign(ref->key(), ref);
  if (fresh) ++counts_[ref->key().ns];
}

void object_table::erase(const object_key& key) {
  if (objects_.erase(key) > 0 && --counts_[key.ns] == 0) counts_.erase(key.ns);
}

void object_table::clear() {
  objects_.clear();
  counts_.clear();
}

object_ref write_batch::find(const object_key& key) const {
  auto i = changed_.find(key);
  return i == changed_.end() ? committed_.find(key) : i->second;
}

size_t write_batch::count_in(const std::string& ns) const {
  auto i = count_change_.find(ns);
  auto change = i == count_change_.end() ? 0 : i->second;
  return static_cast<size_t>(static_cast<int64_t>(committed_.count_in(ns)) + change);
}

write_batch::judged write_batch::judge(const write_request& request) {
  auto before = events_.size();
  return std::visit(
      [&](auto& r) {
        auto key = key_of(r);
        // What this batch has not touched is as it is committed: such an answer needs no commit.
        auto clean = !touched(key) && !touched({"namespaces", "", key.ns})
                     && !(registry_rules::is_namespace(key) && count_change_.count(key.name));
        auto result = run(r);
        return judged{std::move(result), clean && events_.size() == before};
      },
      request);
}

caf::expected<write_result> write_batch::carry_out(const object_key& key, const object_ref& stored,
                                                   verdict decided, bool dry_run) {
  using registry_rules::outcome;
  if (!decided) return decided.error();
  if (decided->what == outcome::unchanged) return write_result{stored, false};
  auto removed = decided->what == outcome::remove;
  // A dry run answers as if, with the version as it stands; what is not there has none.
  auto version = dry_run ? (stored ? stored->resource_version() : 0) : version_ + 1;
  object_ref next{std::make_shared<const object>(key, version, std::move(decided->document))};
  if (auto size = next->json().size(); size > registry_rules::max_object_bytes)
    return make_error(errc::too_large, key.resource + " \"" + key.name
                                           + "\" is too large: " + std::to_string(size) + " bytes, at most "
                                           + std::to_string(registry_rules::max_object_bytes)
                                           + " are stored");
  if (dry_run) return write_result{next, removed};
  version_ = version;
  bytes_ += next->json().size();
  auto type = removed ? watch_type::deleted : stored ? watch_type::modified : watch_type::added;
  events_.push_back({type, next, stored, version});
  changed_[key] = removed ? object_ref{} : next;
  count_change_[key.ns] += type == watch_type::added ? 1 : removed ? -1 : 0;
  if (!registry_rules::is_volatile(key.resource))
    rows_.push_back({row_key(key), removed ? std::string{} : next->json(), version});
  return write_result{next, removed};
}

caf::expected<write_result> write_batch::run(const create_object& request) {
  auto key = request.key;
  if (key.name.empty()) key.name = member_text(request.document, "name");
  auto base = member_text(request.document, "generateName");
  auto generated = key.name.empty();
  if (generated && base.empty())
    return make_error(errc::invalid, key.resource
                                         + " \"\" is invalid: metadata.name: Required value: name or "
                                           "generateName is required");
  constexpr int attempts = 8;
  for (int i = 0; generated && i < attempts && (i == 0 || find(key)); ++i)
    key.name = registry_rules::generated_name(base, random_);
  if (!key.ns.empty())
    if (auto err = registry_rules::admits_new_content(key, find({"namespaces", "", key.ns}).ptr.get()))
      return err;
  if (auto stored = find(key)) {
    auto err = registry_rules::already_exists(key);
    if (!stored->meta().deletion_timestamp) return err;
    return make_error(errc::already_exists, "object is being deleted: " + message_of(err));
  }
  auto uid = random_.uuid();
  return carry_out(key, {}, registry_rules::created(key, *request.document.ptr, uid, now_), request.dry_run);
}

caf::expected<write_result> write_batch::run(const update_object& request) {
  auto stored = find(request.key);
  if (!stored) return registry_rules::not_found(request.key);
  return carry_out(request.key, stored, registry_rules::updated(*stored, request), request.dry_run);
}

caf::expected<write_result> write_batch::run(const put_status& request) {
  auto stored = find(request.key);
  if (!stored) return registry_rules::not_found(request.key);
  return carry_out(request.key, stored, registry_rules::status_put(*stored, request), false);
}

caf::expected<write_result> write_batch::run(const bind_pod& request) {
  auto key = key_of(request);
  auto stored = find(key);
  if (!stored) return registry_rules::not_found(key);
  return carry_out(key, stored, registry_rules::bound(*stored, request, now_), false);
}

caf::expected<write_result> write_batch::run(const delete_object& request) {
  auto stored = find(request.key);
  if (!stored) return registry_rules::not_found(request.key);
  auto empty = registry_rules::is_namespace(request.key) && count_in(request.key.name) == 0;
  return carry_out(request.key, stored, registry_rules::deleted(*stored, request, now_, empty),
                   request.dry_run);
}

} // namespace podium
