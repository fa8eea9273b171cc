// The columns people see: one printer a resource, in the words and widths of Kubernetes' own tables.
#pragma once
#include "core/time.hpp"
#include "messages/object.hpp"

#include <span>
#include <string>
#include <string_view>

namespace podium::api {

struct column {
  std::string_view name, type = "string", format = "", description = "";
  int priority = 0; ///< 1 is shown with -o wide only
};

/// Pure: the cells of a row, one for each column, from the object and the time of day.
struct table_printer {
  std::span<const column> columns;
  boost::json::array (*cells)(const object& obj, wall_time now);
  /// The row's conditions (completed pods); null for none.
  boost::json::array (*conditions)(const object& obj) = nullptr;
};

extern const table_printer pod_printer, node_printer, namespace_printer, event_printer, lease_printer,
    usage_printer, plain_printer, config_map_printer, secret_printer, service_account_printer, volume_printer,
    claim_printer, storage_class_printer;

/// The time since `t` as kubectl shows it, `<unknown>` without one.
std::string age_cell(const std::optional<wall_time>& t, wall_time now);

} // namespace podium::api
