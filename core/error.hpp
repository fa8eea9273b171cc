// Errors: one enum of codes and a sentence that says what was wrong, where, and what would be right.
#pragma once
#include <caf/error.hpp>
#include <caf/expected.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace podium {

/// What kind of failure an error is. The first block mirrors the reasons of a Kubernetes Status; the second
/// is podium's own.
enum class errc : uint8_t {
  none = 0,
  bad_request,
  unauthorized,
  forbidden,
  not_found,
  method_not_allowed,
  already_exists,
  conflict,
  expired,
  too_large,
  unsupported_media_type,
  invalid,
  too_many_requests,
  internal,
  unavailable,
  timeout,

  io,               ///< the operating system refused; the text has the errno message
  no_space,         ///< the disk is full
  stale,            ///< the sender acts for an instance that a newer one has replaced
  image_pull,       ///< ErrImagePull
  image_name,       ///< InvalidImageName
  image_inspect,    ///< ImageInspectError
  container_create, ///< CreateContainerError
  container_config, ///< CreateContainerConfigError
  container_start,  ///< RunContainerError
  cancelled,
};

/// Makes a CAF error of category "podium" that carries `message`.
caf::error make_error(errc code, std::string message);

/// The code of an error made above; errc::timeout for a CAF request timeout, errc::unavailable for a receiver
/// that is gone, errc::internal for anything else.
errc code_of(const caf::error& err);

/// The sentence inside `err`, or CAF's own rendering for errors that are not podium's.
std::string message_of(const caf::error& err);

/// An errc::io error (errc::no_space for ENOSPC and EDQUOT): "<what>: <strerror>".
caf::error errno_error(std::string_view what, int errnum);

} // namespace podium
