#include "runtime/oci/log_format.hpp"

#include <algorithm>

namespace podium {

std::optional<log_line> parse_log_line(std::string_view line) {
  log_line result;
  auto word = [&]() -> std::string_view {
    auto end = line.find(' ');
    auto w = line.substr(0, end);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
    return w;
  };
  result.time = word();
  auto stream = word();
  auto tags = word();
  if (result.time.empty() || (stream != "stdout" && stream != "stderr") || tags.empty()) return std::nullopt;
  result.from_stderr = stream == "stderr";
  result.partial = tags.front() == 'P';
  result.text = line;
  return result;
}

void log_formatter::put(std::string_view text, std::string& out) {
  if (left_ >= 0) {
    text = text.substr(0, static_cast<size_t>(std::min<int64_t>(left_, static_cast<int64_t>(text.size()))));
    left_ -= static_cast<int64_t>(text.size());
  }
  out += text;
}

size_t log_formatter::feed(std::string_view bytes, std::string& out) {
  size_t at = 0;
  while (!full()) {
    auto end = bytes.find('\n', at);
    if (end == std::string_view::npos) break;
    auto line = parse_log_line(bytes.substr(at, end - at));
    at = end + 1;
    if (!line) continue; // what a full disk or a crash has left
    if (since_) {
      auto when = parse_rfc3339(line->time);
      if (when && *when < *since_) continue;
      since_.reset(); // lines come in order: no later one needs the look
    }
    if (timestamps_ && !inside_line_) {
      // conmon writes UTC as an offset; kubectl's users know it as Z.
      constexpr std::string_view utc = "+00:00";
      auto time = line->time;
      bool is_utc = time.ends_with(utc);
      put(is_utc ? time.substr(0, time.size() - utc.size()) : time, out);
      put(is_utc ? "Z " : " ", out);
    }
    put(line->text, out);
    inside_line_ = line->partial;
    if (!line->partial) put("\n", out);
  }
  return at;
}

} // namespace podium
