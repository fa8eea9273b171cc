// gzip for large answers.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace podium::api {

/// Answers from this size on are compressed for who takes gzip. Source: Kubernetes' limit.
constexpr size_t gzip_from_bytes = 128 * 1024;

/// True when an Accept-Encoding header takes gzip.
bool takes_gzip(std::string_view accept_encoding);

/// The text in gzip's form, compressed fast rather than small; nothing when zlib fails.
std::optional<std::string> gzip(std::string_view text);

} // namespace podium::api
