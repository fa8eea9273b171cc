#include "api/session_protocol.hpp"

#include "core/error.hpp"

#include <boost/json.hpp>

namespace podium::api {

namespace json = boost::json;

std::optional<channel_frame> parse_frame(std::string_view message) {
  if (message.empty()) return {};
  auto number = static_cast<uint8_t>(message.front());
  if (number != 0 && number != 4 && number != 255) return {};
  return channel_frame{static_cast<channel>(number), message.substr(1)};
}

std::optional<terminal_size> parse_resize(std::string_view text) {
  constexpr int64_t largest = 10'000;
  if (text.size() > 256) return {};
  boost::system::error_code ec;
  auto v = json::parse(text, ec);
  auto* o = ec ? nullptr : v.if_object();
  if (!o || !o->contains("Width") || !o->contains("Height")) return {};
  auto width = o->at("Width").to_number<int64_t>(ec);
  if (ec) return {};
  auto height = o->at("Height").to_number<int64_t>(ec);
  if (ec || width < 2 || height < 2 || width > largest || height > largest) return {};
  return terminal_size{static_cast<uint16_t>(width), static_cast<uint16_t>(height)};
}

std::string session_failure(const session_end& end) {
  if (end.error) return "Internal error occurred: " + message_of(end.error);
  if (end.exit_code == 0) return {};
  return "command terminated with non-zero exit code: exit status " + std::to_string(end.exit_code);
}

std::string session_status(const session_end& end) {
  json::object out{{"metadata", json::object{}}};
  out["status"] = end.error || end.exit_code != 0 ? "Failure" : "Success";
  auto cause = [](std::string_view reason, std::string_view message) {
    json::object one;
    if (!reason.empty()) one["reason"] = reason;
    one["message"] = message;
    return json::object{{"causes", json::array{std::move(one)}}};
  };
  if (auto why = session_failure(end); !why.empty()) out["message"] = why;
  if (end.error) {
    out["reason"] = "InternalError";
    out["details"] = cause({}, message_of(end.error));
    out["code"] = 500;
  } else if (end.exit_code != 0) {
    out["reason"] = "NonZeroExitCode";
    out["details"] = cause("ExitCode", std::to_string(end.exit_code));
  }
  return json::serialize(out);
}

} // namespace podium::api
