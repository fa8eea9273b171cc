// The forms an object is served in: as it is, as a row of a table, as metadata alone.
#pragma once
#include "api/resources.hpp"
#include "core/time.hpp"
#include "runtime/http/message.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podium::api {

enum class output_form : uint8_t { object, table, partial };
enum class row_object : uint8_t { metadata, object, none };

struct output {
  output_form form = output_form::object;
  row_object include = row_object::metadata;       ///< of table rows
  bool yaml = false;                               ///< YAML text instead of JSON
  auto operator<=>(const output&) const = default; // NOLINT(modernize-use-nullptr): clang-tidy 14 misreads it
};

/// What a client's Accept and includeObject ask for: the first form in the list that is known here; nothing
/// when none is. Who can read protobuf can read JSON: an Accept of protobuf alone gets that. `transforms`:
/// tables and metadata alone are to be had.
std::optional<output> negotiate(const http_request& request, bool transforms = true);

/// Discovery's aggregated document was asked for; `version` is "v2" or "v2beta1".
struct discovery_form {
  bool aggregated = false;
  std::string_view version;
};
discovery_form negotiate_discovery(std::string_view accept);

/// One object in the form asked for, with kind and apiVersion: the body of a GET.
std::string render_object(const resource& r, const object& obj, const output& form, wall_time now);

/// What a list says of itself.
struct list_meta {
  uint64_t resource_version = 0;
  std::string continue_token;
  uint64_t remaining = 0; ///< 0 is left out
};

/// A whole list in the form asked for.
std::string render_list(const resource& r, const std::vector<object_ref>& items, const list_meta& meta,
                        const output& form, wall_time now);

/// One object of a watch event; tables carry their columns only if `with_columns`.
std::string render_watched(const resource& r, const object& obj, const output& form, wall_time now,
                           bool with_columns);

} // namespace podium::api
