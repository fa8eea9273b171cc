// Signals by name, as images and pods write them.
#pragma once
#include <string_view>

namespace podium {

/// A signal's number by name ("SIGTERM", "TERM", "15", "SIGRTMIN+3"); `fallback` for an empty or unknown one.
int signal_number(std::string_view name, int fallback);

} // namespace podium
