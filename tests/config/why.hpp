// The reason of a failed caf::expected, for messages that Boost.Test builds whether they are needed or not.
#pragma once
#include "core/error.hpp"

#include <string>

namespace podium::test {

template <class Expected>
std::string why(const Expected& result) {
  return result ? std::string{} : message_of(result.error());
}

} // namespace podium::test
