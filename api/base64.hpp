// Base64 in the two alphabets of the API.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace podium::api {

enum class base64_form : uint8_t {
  standard, ///< + and /, padded with =
  url,      ///< - and _, without padding
};

std::string to_base64(std::string_view bytes, base64_form form);
/// Nothing for what is no base64 of this form.
std::optional<std::string> from_base64(std::string_view text, base64_form form);

} // namespace podium::api
