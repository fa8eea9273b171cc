// The options of a write, as its query has them.
#pragma once
#include "api/body.hpp"
#include "api/managed_fields.hpp"

namespace podium::api {

/// Which options a request has; the names are those of the errors.
enum class options_kind : uint8_t { create, update, patch, apply };

struct write_options {
  bool dry_run = false;
  bool force = false; ///< of an apply: takes over what others own
  std::string manager;
  config::field_validation validation = config::field_validation::warn;
};

/// Reads and judges them: 422 `PatchOptions.meta.k8s.io "" is invalid: …`, 400 for a `force` that is no
/// boolean. Without fieldManager the manager is the User-Agent up to its first '/'.
outcome<write_options> read_write_options(const call& c, options_kind kind);

/// The writer of a request's changes, for the book-keeping.
field_write writer_of(const call& c, const write_options& options);

} // namespace podium::api
