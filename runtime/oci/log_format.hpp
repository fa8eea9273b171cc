// The CRI log format, "<RFC 3339 time> <stdout|stderr> <F|P> <text>", and what kubectl logs makes of it.
// Pure.
#pragma once
#include "core/time.hpp"
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace podium {

struct log_line {
  std::string_view time, text;
  bool from_stderr = false;
  bool partial = false; ///< the next line goes on with it
};
/// Takes a line without its newline apart; empty when it is none.
std::optional<log_line> parse_log_line(std::string_view line);

/// Turns pieces of a log file into what is sent: one object a request.
class log_formatter {
public:
  /// `limit_bytes` below zero is none.
  log_formatter(bool timestamps, std::optional<wall_time> since, int64_t limit_bytes = -1)
      : timestamps_(timestamps), since_(since), left_(limit_bytes) {}
  /// Appends the output of all complete lines in `bytes` to `out`; returns how many bytes of input are done
  /// with.
  size_t feed(std::string_view bytes, std::string& out);
  /// True when the limit has been reached.
  bool full() const { return left_ == 0; }

private:
  void put(std::string_view text, std::string& out);

  bool timestamps_;
  std::optional<wall_time> since_;
  int64_t left_;
  bool inside_line_ = false;
};

} // namespace podium
