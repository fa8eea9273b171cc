// YAML text to documents, as Kubernetes' users know it: YAML 1.1 booleans (y, no, on, …), 0644 is octal,
// quoted text stays text, anchors and merge keys are expanded, a key given twice is an error.
#pragma once
#include "config/document.hpp"

#include <caf/expected.hpp>

namespace podium::config {

/// Reads a stream of YAML documents; empty ones are left out. Errors (errc::bad_request; errc::too_large
/// beyond limits.bytes) say where: "source:line:column: what".
caf::expected<std::vector<document>> parse_yaml(std::string_view text, std::string source = {},
                                                const text_limits& limits = {});

/// Reads a manifest: JSON if it begins with '{', else YAML. Duplicate keys are errors in both.
caf::expected<std::vector<document>> parse_manifest(std::string_view text, std::string source = {},
                                                    const text_limits& limits = {});

/// Reads a manifest from a file. Errors: errc::not_found, errc::io, errc::too_large, or those of
/// parse_manifest.
caf::expected<std::vector<document>> read_manifest(const std::string& path, const text_limits& limits = {});

/// What an unquoted YAML scalar means: null, a boolean, a number or text.
json::value resolve_scalar(std::string_view text);

/// True if `text` is well-formed UTF-8 without control characters other than tab and line ends; else `offset`
/// says where not.
bool is_clean_utf8(std::string_view text, size_t& offset);

} // namespace podium::config
