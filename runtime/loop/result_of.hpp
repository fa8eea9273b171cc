// What keeps exceptions inside a job of the work pool.
#pragma once
#include "core/error.hpp"

#include <exception>

namespace podium {

/// What `work` returns; errc::unavailable in its place when it throws (no memory, no thread to be had, a
/// directory that cannot be read on). Its result must be makeable from a caf::error.
template <class Work>
auto result_of(Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& e) {
    return decltype(work())(make_error(errc::unavailable, std::string{"on this node: "} + e.what()));
  }
}

} // namespace podium
