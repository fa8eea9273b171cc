// The preset zlib dictionary of SPDY's header blocks (draft-mbelshe-httpbis-spdy-00, 2.6.10.1). Both ends
// need the very same bytes: zlib names them by their Adler-32.
#pragma once
#include <array>
#include <cstdint>

namespace podium {

/// Adler-32: 0xe3c6a7c2.
extern const std::array<uint8_t, 1423> spdy_dictionary;

} // namespace podium
