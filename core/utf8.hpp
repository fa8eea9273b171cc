// Text from outside (a container's last words, a header, a protobuf string) may be any bytes; JSON is UTF-8.
#pragma once
#include <string>
#include <string_view>

namespace podium {

/// How many bytes of `text` are well-formed UTF-8, from its beginning.
size_t utf8_prefix(std::string_view text);

/// `text` with U+FFFD for each byte that belongs to no character, as Go's JSON encoder writes it.
std::string to_utf8(std::string text);

} // namespace podium
