// Base64 as JSON and Docker's files carry bytes (RFC 4648, the standard alphabet).
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace podium {

/// With padding, without line breaks.
std::string to_base64(std::string_view bytes);
/// The bytes behind `text`, which may have line breaks and may lack its padding. Empty when it is none.
std::optional<std::string> from_base64(std::string_view text);

} // namespace podium
