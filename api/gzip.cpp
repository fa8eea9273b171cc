#include "api/gzip.hpp"

#include "runtime/http/message.hpp"

#include <zlib.h>

namespace podium::api {

bool takes_gzip(std::string_view accept_encoding) {
  for (auto& item : split_list(accept_encoding)) {
    std::string_view coding = item;
    auto semicolon = std::min(coding.find(';'), coding.size());
    auto parameter = coding.substr(semicolon);
    coding = coding.substr(0, semicolon);
    while (coding.ends_with(' '))
      coding.remove_suffix(1);
    if (!equal_ignoring_case(coding, "gzip")) continue;
    // "gzip;q=0" and "gzip; q=0.000" mean no.
    auto weight = parameter.find("q=");
    return weight == std::string_view::npos
           || parameter.find_first_not_of("0. ", weight + 2) != std::string_view::npos;
  }
  return false;
}

std::optional<std::string> gzip(std::string_view text) {
  z_stream stream{};
  constexpr int window_of_gzip = 15 + 16, default_memory = 8;
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window_of_gzip, default_memory, Z_DEFAULT_STRATEGY)
      != Z_OK)
    return {};
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  auto result = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return result == Z_STREAM_END ? std::optional{std::move(out)} : std::nullopt;
}

} // namespace podium::api
