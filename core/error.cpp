#include "core/error.hpp"

#include <caf/actor_system.hpp>
#include <caf/deep_to_string.hpp>
#include <caf/message.hpp>
#include <caf/sec.hpp>
#include <cerrno>
#include <cstring>

namespace podium {
namespace {
constexpr auto category = caf::atom("podium");
}

caf::error make_error(errc code, std::string message) {
  return {static_cast<uint8_t>(code), category, caf::make_message(std::move(message))};
}

errc code_of(const caf::error& err) {
  if (!err) return errc::none;
  if (err.category() == category) return static_cast<errc>(err.code());
  if (err == caf::sec::request_timeout) return errc::timeout;
  if (err == caf::sec::request_receiver_down) return errc::unavailable;
  return errc::internal;
}

std::string message_of(const caf::error& err) {
  if (!err) return "no error";
  if (err.category() == category && err.context().match_elements<std::string>())
    return err.context().get_as<std::string>(0);
  if (err == caf::sec::request_timeout) return "the request timed out";
  if (err == caf::sec::request_receiver_down) return "the receiver is gone";
  return caf::deep_to_string(err);
}

caf::error errno_error(std::string_view what, int errnum) {
  auto code = errnum == ENOSPC || errnum == EDQUOT ? errc::no_space : errc::io;
  char buffer[128];
  return make_error(code, std::string{what} + ": " + ::strerror_r(errnum, buffer, sizeof buffer));
}

} // namespace podium
