#include "runtime/probe/grpc_health.hpp"

#include "core/error.hpp"
#include "core/time.hpp"
#include "runtime/probe/network_prober.hpp"

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <optional>

namespace podium {
namespace {

constexpr size_t frame_head_bytes = 5, max_message_bytes = 4 * 1'024, max_header_bytes = 16 * 1'024;

// gRPC's status codes by number, as Go prints them.
constexpr std::array code_names{
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};
enum grpc_code : unsigned {
  ok = 0,
  unknown = 2,
  deadline_exceeded = 4,
  permission_denied = 7,
  resource_exhausted = 8,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  unauthenticated = 16
};

constexpr std::array health_names{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
constexpr uint64_t serving = 1;

struct grpc_status {
  unsigned code = ok;
  std::string message;
};

probe_outcome failure(std::string text) {
  return {.verdict = probe_verdict::failure, .output = std::move(text)};
}

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

std::optional<uint64_t> take_varint(std::string_view& in) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return {};
}

// Passes over the value of a field that is not wanted.
bool skip_field(std::string_view& in, uint64_t wire_type) {
  constexpr unsigned varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5;
  if (wire_type == varint) return take_varint(in).has_value();
  auto size = wire_type == fixed64   ? std::optional<uint64_t>{8}
              : wire_type == fixed32 ? std::optional<uint64_t>{4}
              : wire_type == bytes   ? take_varint(in)
                                     : std::nullopt;
  if (!size || *size > in.size()) return false;
  in.remove_prefix(static_cast<size_t>(*size));
  return true;
}

// Field 1 of a HealthCheckResponse; nothing when the bytes are no message.
std::optional<uint64_t> health_of(std::string_view message) {
  constexpr uint64_t status_tag = 1 << 3;
  uint64_t health = 0;
  while (!message.empty()) {
    auto tag = take_varint(message);
    if (!tag || *tag >> 3 == 0) return {};
    if (*tag == status_tag) {
      auto value = take_varint(message);
      if (!value) return {};
      health = *value;
    } else if (!skip_field(message, *tag & 7)) {
      return {};
    }
  }
  return health;
}

std::string health_name(uint64_t health) {
  return health < health_names.size() ? health_names[health] : std::to_string(static_cast<int32_t>(health));
}

// Source: gRPC's table from HTTP status codes to its own.
grpc_status status_of_http(int http_status, const std::string& complaint) {
  auto code = http_status == 400                                                 ? internal
              : http_status == 401                                               ? unauthenticated
              : http_status == 403                                               ? permission_denied
              : http_status == 404                                               ? unimplemented
              : http_status == 429 || (http_status >= 502 && http_status <= 504) ? unavailable
                                                                                 : unknown;
  std::string text;
  if (http_status != 200) {
    namespace http = boost::beast::http;
    auto name = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(std::max(http_status, 0))));
    text = "unexpected HTTP status code received from server: " + std::to_string(http_status) + " ("
           + std::string{name.data(), name.size()} + ")";
  }
  if (!complaint.empty()) text += (text.empty() ? "" : "; ") + complaint;
  return {code, text};
}

// What is wrong with an answer's content type, "" for a gRPC one.
std::string wrong_type(const http_headers& headers) {
  auto type = headers.find("content-type");
  if (!type) return "malformed header: missing HTTP content-type";
  constexpr std::string_view grpc = "application/grpc";
  if (type->starts_with(grpc)
      && (type->size() == grpc.size() || (*type)[grpc.size()] == '+' || (*type)[grpc.size()] == ';'))
    return {};
  return "transport: received unexpected content-type \"" + std::string{*type} + "\"";
}

// At most eight digits and a unit.
std::string timeout_field(std::chrono::milliseconds timeout) {
  constexpr int64_t most = 99'999'999;
  if (timeout.count() <= most) return std::to_string(timeout.count()) + "m";
  return std::to_string(std::min(most, static_cast<int64_t>(timeout.count() / 1'000))) + "S";
}

grpc_status status_of(const http_reply& reply) {
  auto complaint = wrong_type(reply.headers);
  if (reply.status != 200 || !complaint.empty()) return status_of_http(reply.status, complaint);
  if (reply.broken && code_of(reply.broken) == errc::timeout) return {deadline_exceeded, {}};
  if (reply.broken) return {unavailable, "error reading from server: " + message_of(reply.broken)};
  auto text = reply.headers.find("grpc-status");
  if (!text) return {unknown, "the answer has no grpc-status"};
  grpc_status status;
  auto end = text->data() + text->size();
  if (std::from_chars(text->data(), end, status.code).ptr != end || text->empty())
    return {internal, "transport: malformed grpc-status: \"" + std::string{*text} + "\""};
  auto message = reply.headers.get("grpc-message");
  status.message = percent_decode(message).value_or(std::string{message});
  return status;
}

// Takes the one message out of its frame, or says what is wrong with it.
grpc_status unframe(const http_reply& reply, std::string_view& message) {
  std::string_view body = reply.body;
  if (body.size() < frame_head_bytes) return {internal, "the answer holds no message"};
  uint32_t size = 0;
  for (auto c : body.substr(1, 4))
    size = size << 8 | static_cast<unsigned char>(c);
  auto compressed = body[0];
  auto encoding = reply.headers.get("grpc-encoding");
  if (compressed == 1 && (encoding.empty() || encoding == "identity"))
    return {internal, "grpc: compressed flag set with identity or empty encoding"};
  if (compressed == 1)
    return {unimplemented,
            "grpc: Decompressor is not installed for grpc-encoding \"" + std::string{encoding} + "\""};
  if (compressed != 0)
    return {internal, "grpc: received unexpected payload format "
                          + std::to_string(static_cast<unsigned char>(compressed))};
  if (size > max_message_bytes)
    return {resource_exhausted, "grpc: received message larger than max (" + std::to_string(size) + " vs. "
                                    + std::to_string(max_message_bytes) + ")"};
  body.remove_prefix(frame_head_bytes);
  if (body.size() < size) return {internal, "unexpected EOF"};
  if (body.size() > size || reply.cut) return {internal, "the answer holds more than one message"};
  message = body;
  return {};
}

probe_outcome failed_call(const grpc_status& status, std::chrono::nanoseconds timeout) {
  if (status.code == unimplemented)
    return failure("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
                   + status.message);
  if (status.code == deadline_exceeded)
    return failure("timeout: health rpc did not complete within " + to_go_duration(timeout));
  auto name = status.code < code_names.size() ? std::string{code_names[status.code]}
                                              : "Code(" + std::to_string(status.code) + ")";
  return failure("error: health rpc probe failed: rpc error: code = " + name + " desc = " + status.message);
}

} // namespace

http_fetch grpc_health_request(const std::string& address, const std::string& service,
                               std::chrono::nanoseconds timeout) {
  auto milliseconds =
      std::max(std::chrono::ceil<std::chrono::milliseconds>(timeout), std::chrono::milliseconds{1});
  std::string message;
  if (!service.empty()) {
    constexpr char service_tag = 1 << 3 | 2;
    message += service_tag;
    append_varint(message, service.size());
    message += service;
  }
  http_fetch request;
  request.method = "POST";
  request.url = "http://" + address + "/grpc.health.v1.Health/Check";
  request.headers = {{"Content-Type", "application/grpc"},
                     {"User-Agent", probe_user_agent},
                     {"TE", "trailers"},
                     {"Grpc-Timeout", timeout_field(milliseconds)}};
  request.body.push_back(0); // not compressed
  for (int shift = 24; shift >= 0; shift -= 8)
    request.body.push_back(static_cast<char>(message.size() >> shift & 0xff));
  request.body += message;
  request.timeout = milliseconds;
  request.max_body_bytes = frame_head_bytes + max_message_bytes;
  request.cut_body = true;
  request.keep_broken_body = true;
  request.max_header_bytes = max_header_bytes;
  request.fresh = true;
  request.http2 = true;
  return request;
}

probe_outcome judge_grpc_health(const http_reply& reply, std::chrono::nanoseconds timeout) {
  // Of a message that is too long the trailers were not waited for.
  auto status = reply.cut && wrong_type(reply.headers).empty() && reply.status == 200 ? grpc_status{}
                                                                                      : status_of(reply);
  std::string_view message;
  if (status.code == ok) status = unframe(reply, message);
  if (status.code != ok) return failed_call(status, timeout);
  auto health = health_of(message);
  if (!health)
    return failed_call(
        {internal, "grpc: failed to unmarshal the received message: it is no HealthCheckResponse"}, timeout);
  if (*health != serving)
    return failure("service unhealthy (responded with \"" + health_name(*health) + "\")");
  return {.verdict = probe_verdict::success, .output = "service healthy"};
}

probe_outcome judge_grpc_error(const caf::error& err, const std::string& address,
                               std::chrono::nanoseconds timeout) {
  auto text = message_of(err);
  switch (code_of(err)) {
  case errc::unavailable:
    return failure("timeout: failed to connect service \"" + address + "\" within " + to_go_duration(timeout)
                   + ": context deadline exceeded");
  case errc::timeout:
    return failed_call({deadline_exceeded, {}}, timeout);
  case errc::too_large:
    return failed_call(
        {internal, "the header list is larger than " + std::to_string(max_header_bytes) + " bytes"}, timeout);
  default:
    return failed_call({unavailable, text}, timeout);
  }
}

std::chrono::nanoseconds grpc_connect_back_off(unsigned attempt) {
  std::chrono::nanoseconds delay = std::chrono::seconds{1};
  for (unsigned i = 0; i < std::min(attempt, 10u); ++i)
    delay = delay * 16 / 10;
  return delay;
}

} // namespace podium
