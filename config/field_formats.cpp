#include "config/field_formats.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>

namespace podium::config {
namespace {

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower_alnum(char c) {
  return is_lower(c) || is_digit(c);
}
bool is_alnum(char c) {
  return is_lower_alnum(c) || is_upper(c);
}

constexpr const char* subdomain_text =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr const char* label_text =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
#define PODIUM_QUALIFIED                                                                                     \
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "   \
  "character "                                                                                               \
  "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "                              \
  "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
constexpr const char* label_value_text = "a valid label must be an empty string or consist of alphanumeric "
                                         "characters, '-', '_' or '.', and must start "
                                         "and end with an alphanumeric character (e.g. 'MyValue',  or "
                                         "'my_value',  or '12345', regex used for validation "
                                         "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

std::string too_long(size_t most) {
  return "must be no more than " + std::to_string(most) + " characters";
}

bool is_label(std::string_view text) {
  return !text.empty() && is_lower_alnum(text.front()) && is_lower_alnum(text.back())
         && std::all_of(text.begin(), text.end(), [](char c) { return is_lower_alnum(c) || c == '-'; });
}

bool is_subdomain(std::string_view text) {
  for (;;) {
    auto dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_qualified_part(std::string_view text) {
  return !text.empty() && is_alnum(text.front()) && is_alnum(text.back())
         && std::all_of(text.begin(), text.end(),
                        [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

} // namespace

format_problems check_dns_subdomain(std::string_view text) {
  format_problems out;
  if (text.size() > 253) out.push_back(too_long(253));
  if (!is_subdomain(text)) out.emplace_back(subdomain_text);
  return out;
}

format_problems check_dns_label(std::string_view text) {
  format_problems out;
  if (text.size() > 63) out.push_back(too_long(63));
  if (!is_label(text)) out.emplace_back(is_subdomain(text) ? "must not contain dots" : label_text);
  return out;
}

format_problems check_path_segment(std::string_view text) {
  if (text == "." || text == "..") return {"may not be '" + std::string{text} + "'"};
  format_problems out;
  for (char c : {'/', '%'})
    if (text.find(c) != std::string_view::npos) out.push_back(std::string{"may not contain '"} + c + "'");
  return out;
}

format_problems check_qualified_name(std::string_view text) {
  format_problems out;
  auto slash = text.find('/');
  auto name = text;
  if (slash != std::string_view::npos) {
    auto prefix = text.substr(0, slash);
    name = text.substr(slash + 1);
    if (name.find('/') != std::string_view::npos)
      return {"a qualified name " PODIUM_QUALIFIED
              " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
    if (prefix.empty())
      out.emplace_back("prefix part must be non-empty");
    else
      for (const auto& problem : check_dns_subdomain(prefix))
        out.push_back("prefix part " + problem);
  }
  if (name.empty())
    out.emplace_back("name part must be non-empty");
  else if (name.size() > 63)
    out.push_back("name part " + too_long(63));
  if (!is_qualified_part(name)) out.emplace_back("name part " PODIUM_QUALIFIED);
  return out;
}

format_problems check_label_value(std::string_view text) {
  format_problems out;
  if (text.size() > 63) out.push_back(too_long(63));
  if (!text.empty() && !is_qualified_part(text)) out.emplace_back(label_value_text);
  return out;
}

format_problems check_env_name(std::string_view text) {
  bool ok = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c >= 0x20 && c < 0x7f && c != '=';
  });
  if (ok) return {};
  return {"a valid environment variable name must consist only of printable ASCII characters other than '='"};
}

format_problems check_port_name(std::string_view text) {
  format_problems out;
  if (text.size() > 15) out.push_back(too_long(15));
  if (!std::all_of(text.begin(), text.end(), [](char c) { return is_lower_alnum(c) || c == '-'; }))
    out.emplace_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (std::none_of(text.begin(), text.end(), is_lower))
    out.emplace_back("must contain at least one letter (a-z)");
  if (text.find("--") != std::string_view::npos) out.emplace_back("must not contain consecutive hyphens");
  if (!text.empty() && (text.front() == '-' || text.back() == '-'))
    out.emplace_back("must not begin or end with a hyphen");
  return out;
}

format_problems check_port_number(int64_t port) {
  if (port >= 1 && port <= 65535) return {};
  return {"must be between 1 and 65535, inclusive"};
}

format_problems check_header_name(std::string_view text) {
  bool ok =
      !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '-'; });
  if (ok) return {};
  return {"a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex "
          "used for "
          "validation is '[-A-Za-z0-9]+')"};
}

format_problems check_ip(std::string_view text) {
  unsigned char bytes[16];
  std::string copy{text};
  if (::inet_pton(AF_INET, copy.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, copy.c_str(), bytes) == 1)
    return {};
  return {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
}

format_problems check_cidr(std::string_view text) {
  auto slash = text.find('/');
  auto address = text.substr(0, slash);
  int bits = -1;
  if (slash != std::string_view::npos) {
    auto digits = text.substr(slash + 1);
    auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (ec != std::errc{} || end != digits.data() + digits.size()) bits = -1;
  }
  int most = address.find(':') == std::string_view::npos ? 32 : 128;
  if (bits >= 0 && bits <= most && check_ip(address).empty()) return {};
  return {"must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"};
}

format_problems check_config_key(std::string_view text) {
  format_problems out;
  if (text.size() > 253) out.push_back(too_long(253));
  bool ok = std::all_of(text.begin(), text.end(),
                        [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
  if (text.empty() || !ok)
    out.emplace_back("a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
                     "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
                     "'[-._a-zA-Z0-9]+')");
  if (text == "." || text == "..")
    out.push_back("must not be '" + std::string{text} + "'");
  else if (text.starts_with(".."))
    out.emplace_back("must not start with '..'");
  return out;
}

format_problems check_no_backsteps(std::string_view text) {
  for (size_t at = 0; at <= text.size();) {
    auto end = std::min(text.find('/', at), text.size());
    if (text.substr(at, end - at) == "..") return {"must not contain '..'"};
    at = end + 1;
  }
  return {};
}

format_problems check_relative_path(std::string_view text) {
  format_problems out;
  if (text.starts_with('/')) out.emplace_back("must be a relative path");
  for (const auto& problem : check_no_backsteps(text))
    out.push_back(problem);
  return out;
}

format_problems check_unreserved_path(std::string_view text) {
  auto out = check_relative_path(text);
  if (text.starts_with("..") && !text.starts_with("../")) out.emplace_back("must not start with '..'");
  return out;
}

} // namespace podium::config
