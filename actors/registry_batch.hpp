// One group of writes on its way to the store: judged one after another, each on top of those before it.
#pragma once
#include "actors/registry_rules.hpp"
#include "messages/object.hpp"
#include "messages/runtime.hpp"

#include <functional>
#include <map>
#include <variant>
#include <vector>

namespace podium {

/// Any request that may change an object.
using write_request = std::variant<create_object, update_object, put_status, bind_pod, delete_object>;

/// True if the request's object is kept in memory alone.
bool is_volatile(const write_request& request);
/// True if whoever asks agreed to the request being held back a little.
bool may_wait(const write_request& request);

/// What a request comes to.
struct write_result {
  object_ref object;
  bool removed = false;
};

/// The committed objects, and how many live in each namespace.
class object_table {
public:
  object_ref find(const object_key& key) const;
  size_t count_in(const std::string& ns) const;
  void put(const object_ref& ref);
  void erase(const object_key& key);
  void clear();

private:
  std::map<object_key, object_ref> objects_;
  std::map<std::string, size_t> counts_;
};

class write_batch {
public:
  /// `version` is the last one that was given out.
  write_batch(const object_table& committed, uint64_t version, wall_time now, random_stream& random)
      : committed_(committed), version_(version), now_(now), random_(random) {}

  /// Judges a request on top of what is committed and of this batch. An answer may be given at once if
  /// `independent`, else only once the batch is committed.
  struct judged {
    caf::expected<write_result> result;
    bool independent = false;
  };
  judged judge(const write_request& request);

  const std::vector<watch_event>& events() const { return events_; }
  /// What the store must hold: empty when only volatile objects changed.
  std::vector<store_put>& rows() { return rows_; }
  uint64_t version() const { return version_; }
  size_t bytes() const { return bytes_; }

private:
  using verdict = registry_rules::verdict;
  object_ref find(const object_key& key) const;
  bool touched(const object_key& key) const { return changed_.count(key) > 0; }
  size_t count_in(const std::string& ns) const;
  caf::expected<write_result> carry_out(const object_key& key, const object_ref& stored, verdict decided,
                                        bool dry_run);

  caf::expected<write_result> run(const create_object& request);
  caf::expected<write_result> run(const update_object& request);
  caf::expected<write_result> run(const put_status& request);
  caf::expected<write_result> run(const bind_pod& request);
  caf::expected<write_result> run(const delete_object& request);

  const object_table& committed_;
  uint64_t version_;
  wall_time now_;
  random_stream& random_;
  std::map<object_key, object_ref> changed_; ///< null: removed
  std::map<std::string, int64_t> count_change_;
  std::vector<watch_event> events_;
  std::vector<store_put> rows_;
  size_t bytes_ = 0;
};

/// "/registry/<resource>/<namespace>/<name>", and back; empty when `row` is no such key.
std::string row_key(const object_key& key);
std::optional<object_key> object_key_of_row(std::string_view row);

} // namespace podium
