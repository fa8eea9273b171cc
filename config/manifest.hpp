// Manifests that people give as files: read, decoded and judged offline, every mistake with its place.
#pragma once
#include "config/decode.hpp"
#include "config/document.hpp"
#include "config/schema.hpp"
#include "config/validate.hpp"

#include <caf/expected.hpp>
#include <string>
#include <vector>

namespace podium::config {

/// One object of a manifest, decoded as the API would; defaults are not filled in.
struct manifest {
  group_version_kind gvk;
  json::value object;
  std::vector<std::string> warnings; ///< "file:line:column: warning: …": it is valid, but hardly meant
};

/// Reads all objects of a file's text. Errors (errc::bad_request or errc::invalid) hold all mistakes of all
/// documents, one a line, each as "file:line:column: …". A `List` stands for its items.
caf::expected<std::vector<manifest>> load_manifests(std::string_view text, const std::string& source);

/// The same from a file.
caf::expected<std::vector<manifest>> load_manifests(const std::string& path);

/// Validation's mistakes as lines "file:line:column: field: message", in the order of the file. Empty if
/// there are none.
std::string describe(const document& doc, const field_causes& causes);

} // namespace podium::config
