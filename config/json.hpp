// JSON text to documents, with duplicates seen, limits kept and places found.
#pragma once
#include "config/document.hpp"

#include <caf/expected.hpp>

namespace podium::config {

/// Reads one JSON value. Duplicate keys are listed in `duplicates` (the last one counts). The text must be
/// UTF-8 and nest at most limits.depth deep. Errors (errc::bad_request; errc::too_large beyond limits.bytes)
/// say where: "source:line:column: what".
caf::expected<document> parse_json(std::string_view text, std::string source = {},
                                   const text_limits& limits = {});

/// The places of all values of a valid JSON text.
place_table json_places(std::string_view text);

/// The position of byte `offset` of `text`.
source_position position_at(std::string_view text, size_t offset);

} // namespace podium::config
