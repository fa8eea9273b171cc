#include "api/list_options.hpp"

#include "api/base64.hpp"
#include "core/error.hpp"

#include <boost/json.hpp>
#include <charconv>

namespace podium::api {
namespace {

namespace json = boost::json;

template <class T>
std::optional<T> number(std::string_view text) {
  T out{};
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc{} && end == text.data() + text.size() ? std::optional{out} : std::nullopt;
}

} // namespace

std::string page_token::encode() const {
  return to_base64(
      json::serialize(json::object{
          {"v", "podium/1"}, {"rv", resource_version}, {"ns", ns}, {"name", name}, {"served", served}}),
      base64_form::url);
}

std::optional<page_token> page_token::decode(std::string_view text) {
  auto plain = text.size() < 4096 ? from_base64(text, base64_form::url) : std::nullopt;
  if (!plain) return {};
  boost::system::error_code ec;
  auto v = json::parse(*plain, ec);
  auto* o = ec ? nullptr : v.if_object();
  if (!o || !o->contains("v") || o->at("v") != json::value("podium/1")) return {};
  page_token out;
  for (auto key : {"rv", "ns", "name", "served"})
    if (!o->contains(key)) return {};
  if (!o->at("ns").is_string() || !o->at("name").is_string()) return {};
  out.resource_version = o->at("rv").to_number<uint64_t>(ec);
  out.served = o->at("served").to_number<uint64_t>(ec);
  out.ns = o->at("ns").get_string();
  out.name = o->at("name").get_string();
  return ec ? std::nullopt : std::optional{out};
}

caf::expected<std::optional<uint64_t>> parse_resource_version(const http_query& query) {
  auto text = query.get("resourceVersion").value_or("");
  if (text.empty()) return std::optional<uint64_t>{};
  uint64_t n = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec == std::errc{} && end == text.data() + text.size()) return std::optional{n};
  auto quoted = json::serialize(json::value(text));
  auto too_large = ec == std::errc::result_out_of_range && end == text.data() + text.size();
  return make_error(errc::bad_request, "invalid resource version: resourceVersion: Invalid value: " + quoted
                                           + ": strconv.ParseUint: parsing " + quoted
                                           + (too_large ? ": value out of range" : ": invalid syntax"));
}

caf::expected<std::optional<int64_t>> parse_number(const http_query& query, std::string_view name) {
  auto text = query.get(name).value_or("");
  if (text.empty()) return std::optional<int64_t>{};
  auto n = number<int64_t>(text);
  if (!n)
    return make_error(errc::bad_request, std::string{name} + ": Invalid value: \"" + std::string{text}
                                             + "\": must be a whole number");
  return n;
}

failure invalid_list_options(const config::field_causes& causes) {
  return {config::make_invalid_status({"", "meta.k8s.io", "ListOptions", ""}, causes)};
}

outcome<list_options> parse_list_options(const http_query& query) {
  list_options out;
  auto limit = parse_number(query, "limit");
  if (!limit) return bad_request(message_of(limit.error()));
  if (limit->value_or(0) < 0) return bad_request("limit: Invalid value: must not be negative");
  out.limit = static_cast<uint64_t>(limit->value_or(0));
  config::field_causes causes;
  auto given = query.get("resourceVersion").value_or("");
  auto match = query.get("resourceVersionMatch").value_or("");
  auto token = query.get("continue").value_or("");
  constexpr auto field = "resourceVersionMatch";
  if (!match.empty()) {
    if (given.empty())
      causes.forbidden(field, "resourceVersionMatch is forbidden unless resourceVersion is provided");
    if (!token.empty())
      causes.forbidden(field, "resourceVersionMatch is forbidden when continue is provided");
    if (match == "Exact")
      out.match = version_match::exact;
    else if (match == "NotOlderThan")
      out.match = version_match::not_older_than;
    else
      causes.not_supported(field, match, {"Exact", "NotOlderThan", ""});
    if (out.match == version_match::exact && given == "0")
      causes.forbidden(field, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
  }
  if (query.has("sendInitialEvents"))
    causes.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
  if (!causes.empty()) return invalid_list_options(causes);
  auto version = parse_resource_version(query);
  if (!version) return bad_request(message_of(version.error()));
  out.resource_version = *version;
  if (token.empty()) return out;
  out.page = page_token::decode(token);
  if (!out.page) return bad_request("continue key is not valid");
  if (out.resource_version.value_or(0) != 0)
    return bad_request("specifying resource version is not allowed when using continue");
  return out;
}

} // namespace podium::api
