// Keeps container logs small: <n>.log, <n>.log.1 (newest) to <n>.log.<files - 1>.
#pragma once
#include <cstdint>
#include <string>

namespace podium {

/// Renames a log that is longer than `max_bytes` and tells conmon, through its control fifo, to open a new
/// one. conmon's own
/// --log-size-max is not used: it throws the old text away. Blocks for some system calls; returns true when
/// it rotated.
bool rotate_log(const std::string& log, const std::string& control, int64_t max_bytes, int max_files);

} // namespace podium
