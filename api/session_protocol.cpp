#include "api/session_protocol.hpp"

#include "api/base64.hpp"
#include "core/error.hpp"
#include "runtime/http/websocket.hpp"

#include <boost/json.hpp>

namespace podium::api {

namespace json = boost::json;

channel_protocol channel_protocol_of(std::string_view name) {
  return {name.find("base64.") != name.npos, name.starts_with("v4.") || name.starts_with("v5.")};
}

std::optional<std::string> choose_channel_protocol(std::string_view offered,
                                                   const std::vector<std::string_view>& known) {
  if (offered.empty()) return std::string{};
  auto chosen = choose_subprotocol(offered, known);
  return chosen.empty() ? std::nullopt : std::optional{std::move(chosen)};
}

std::string channel_message(const channel_protocol& p, uint8_t to, std::string_view bytes) {
  std::string out(1, static_cast<char>(p.text ? '0' + to : to));
  if (p.text)
    out += to_base64(bytes, base64_form::standard);
  else
    out += bytes;
  return out;
}

std::optional<std::string_view> binary_message(const channel_protocol& p, std::string_view message,
                                               std::string& room) {
  if (!p.text) return message;
  if (message.empty() || message.front() < '0') return {};
  auto bytes = from_base64(message.substr(1), base64_form::standard);
  if (!bytes) return {};
  room.assign(1, static_cast<char>(message.front() - '0'));
  room += *bytes;
  return room;
}

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
