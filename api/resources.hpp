// The resources this API serves: one table. Everything else in api/ is generic over it: serving another kind
// is another row here and a printer.
#pragma once
#include "config/schema.hpp"
#include "messages/object.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace podium::api {

struct table_printer;

/// What may be done to a resource; the names are the API's verbs.
enum verb : uint16_t {
  v_create = 1,
  v_delete = 2,
  v_deletecollection = 4,
  v_get = 8,
  v_list = 16,
  v_patch = 32,
  v_update = 64,
  v_watch = 128,
};
constexpr uint16_t read_verbs = v_get | v_list | v_watch;
constexpr uint16_t all_verbs = 255;

/// The verbs of a mask, by name, sorted as discovery shows them.
std::vector<std::string_view> verb_names(uint16_t verbs);

/// Where a resource's objects come from.
enum class resource_source : uint8_t {
  stored,  ///< the registry
  review,  ///< nowhere: a question that is posted and answered
  metrics, ///< measured when asked for
};

/// What stands behind a URL below an object.
enum class subresource_kind : uint8_t {
  status,
  log,
  exec,
  attach,
  binding,
  finalize,
  portforward,
  eviction,
  token,
  ephemeralcontainers
};

struct subresource {
  std::string_view name;
  subresource_kind kind;
  uint16_t verbs;
  std::string_view response_kind;                              ///< "" is the resource's own kind
  std::string_view response_group = {}, response_version = {}; ///< "" are the resource's own
};

/// One row: a resource in one group and version.
struct resource {
  std::string_view plural, singular, kind, group, version;
  bool namespaced = true;
  std::vector<std::string_view> short_names, categories;
  uint16_t verbs = all_verbs;
  std::vector<subresource> subresources;
  const table_printer* printer = nullptr;
  /// The registry's name of the resource whose objects these are: events.k8s.io serves the core events.
  std::string_view stored_as;
  /// Turns a stored document into this version's form; null when they are the same.
  void (*convert)(boost::json::object& document) = nullptr;
  /// The way back, for what is written.
  void (*revert)(boost::json::object& document) = nullptr;
  resource_source source = resource_source::stored;

  /// "pods", "leases.coordination.k8s.io": as errors name it, and the registry.
  std::string qualified() const;
  /// "v1", "coordination.k8s.io/v1".
  std::string group_version() const;
  config::group_version_kind gvk() const;
  const subresource* find_subresource(std::string_view name) const;
  bool allows(verb v) const { return (verbs & v) != 0; }
};

/// All rows, in discovery order.
std::span<const resource> all_resources();

/// What pods take data, identity and storage from. (data_resources.cpp)
std::vector<resource> data_resources();
/// Resources that the registry does not hold, or holds none of: reviews, metrics, and kinds that are read
/// by tools but cannot be made. (unstored_resources.cpp)
std::vector<resource> unstored_resources();
/// Kinds that tools list without asking discovery whether they exist (`cluster-info dump`, `describe
/// namespace`): their lists are empty, and discovery does not name them, so that nobody tries to make one.
std::vector<resource> unlisted_resources();

/// The row of a URL's group, version and plural, or null; also unlisted ones.
const resource* find_resource(std::string_view group, std::string_view version, std::string_view plural);

/// Whether any row, listed or not, is of this group and version.
bool serves(std::string_view group, std::string_view version);

/// The group-versions that discovery names, in order of first appearance.
struct group_version {
  std::string_view group, version;
  bool operator==(const group_version&) const = default;
};
std::span<const group_version> all_group_versions();

} // namespace podium::api
