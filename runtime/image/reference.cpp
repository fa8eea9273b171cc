#include "runtime/image/reference.hpp"
#include "core/error.hpp"
#include <algorithm>
#include <optional>

namespace podium {

namespace {

constexpr size_t max_name_chars = 255;
constexpr size_t max_tag_chars = 128;
constexpr size_t max_text_chars = 2'048;

bool lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool hex(char c) {
  return digit(c) || (c >= 'a' && c <= 'f');
}
bool lower_alnum(char c) {
  return lower(c) || digit(c);
}
bool alnum(char c) {
  return lower(c) || upper(c) || digit(c);
}

// Runs of lower case letters and digits, parted by one ".", one "_", "__" or any number of "-".
bool valid_path_part(std::string_view s) {
  size_t i = 0;
  while (true) {
    if (i == s.size() || !lower_alnum(s[i])) return false;
    while (i < s.size() && lower_alnum(s[i]))
      ++i;
    if (i == s.size()) return true;
    if (s[i] == '-') {
      while (i < s.size() && s[i] == '-')
        ++i;
    } else if (s[i] == '.') {
      ++i;
    } else if (s[i] == '_') {
      i += i + 1 < s.size() && s[i + 1] == '_' ? 2 : 1;
    } else {
      return false;
    }
  }
}

bool valid_host_part(std::string_view s) {
  return !s.empty() && alnum(s.front()) && alnum(s.back())
         && std::all_of(s.begin(), s.end(), [](char c) { return alnum(c) || c == '-'; });
}

template <class F>
bool every_part(std::string_view s, char sep, F valid) {
  while (true) {
    auto at = s.find(sep);
    if (!valid(s.substr(0, at))) return false;
    if (at == s.npos) return true;
    s.remove_prefix(at + 1);
  }
}

bool valid_domain(std::string_view s) {
  std::string_view host = s;
  std::optional<std::string_view> port;
  if (s.starts_with('[')) {
    auto end = s.find(']');
    if (end == s.npos || end < 3) return false;
    auto ip = s.substr(1, end - 1);
    if (!std::all_of(ip.begin(), ip.end(), [](char c) { return hex(c) || upper(c) || c == ':'; }))
      return false;
    host = {};
    auto rest = s.substr(end + 1);
    if (!rest.empty()) {
      if (rest[0] != ':') return false;
      port = rest.substr(1);
    }
  } else if (auto colon = s.rfind(':'); colon != s.npos) {
    host = s.substr(0, colon);
    port = s.substr(colon + 1);
  }
  if (port && (port->empty() || port->size() > 5 || !std::all_of(port->begin(), port->end(), digit)))
    return false;
  return host.empty() ? s.starts_with('[') : every_part(host, '.', valid_host_part);
}

bool valid_tag(std::string_view s) {
  auto word = [](char c) { return alnum(c) || c == '_'; };
  return !s.empty() && s.size() <= max_tag_chars && word(s.front())
         && std::all_of(s.begin(), s.end(), [&](char c) { return word(c) || c == '.' || c == '-'; });
}

// The first part of a path is a registry's host if it looks like one.
bool names_host(std::string_view first) {
  return first == "localhost" || first.find_first_of(".:[") != first.npos
         || std::any_of(first.begin(), first.end(), upper);
}

} // namespace

std::string image_reference::text() const {
  auto result = name();
  if (!tag.empty()) result += ":" + tag;
  if (!digest.empty()) result += "@" + digest;
  return result;
}

bool is_sha256_digest(std::string_view text) {
  return text.size() == 71 && text.starts_with("sha256:") && std::all_of(text.begin() + 7, text.end(), hex);
}

caf::expected<image_reference> parse_image_reference(std::string_view text) {
  auto fail = [&](std::string_view why) {
    std::string shown{text.substr(0, 300)};
    return make_error(errc::image_name, "couldn't parse image name \"" + shown + "\": " + std::string{why});
  };
  constexpr std::string_view bad_format = "invalid reference format";
  if (text.empty()) return fail("repository name must have at least one component");
  if (text.size() > max_text_chars) return fail(bad_format);
  if (text.size() == 64 && std::all_of(text.begin(), text.end(), hex))
    return fail("invalid repository name (" + std::string{text}
                + "), cannot specify 64-byte hexadecimal strings");
  image_reference ref;
  std::string_view rest = text;
  if (auto at = rest.find('@'); at != rest.npos) {
    ref.digest = rest.substr(at + 1);
    if (!is_sha256_digest(ref.digest)) {
      auto sha = ref.digest.starts_with("sha256:");
      return fail(sha || ref.digest.find(':') == ref.digest.npos ? bad_format
                                                                 : "unsupported digest algorithm");
    }
    rest = rest.substr(0, at);
  }
  if (auto colon = rest.rfind(':'); colon != rest.npos && rest.find('/', colon) == rest.npos
                                    && !(rest.starts_with('[') && rest.find(']', colon) != rest.npos)) {
    ref.tag = rest.substr(colon + 1);
    if (!valid_tag(ref.tag)) return fail(bad_format);
    rest = rest.substr(0, colon);
  }
  auto slash = rest.find('/');
  if (slash != rest.npos && names_host(rest.substr(0, slash))) {
    ref.domain = rest.substr(0, slash);
    ref.repository = rest.substr(slash + 1);
  } else {
    ref.domain = "docker.io";
    ref.repository = rest;
  }
  if (ref.domain == "index.docker.io") ref.domain = "docker.io";
  if (!valid_domain(ref.domain)) return fail(bad_format);
  if (std::any_of(ref.repository.begin(), ref.repository.end(), upper))
    return fail("invalid reference format: repository name must be lowercase");
  if (!every_part(ref.repository, '/', valid_path_part)) return fail(bad_format);
  if (ref.domain == "docker.io" && ref.repository.find('/') == std::string::npos)
    ref.repository.insert(0, "library/");
  if (ref.name().size() > max_name_chars) return fail("repository name must not be more than 255 characters");
  if (ref.tag.empty() && ref.digest.empty()) ref.tag = "latest";
  return ref;
}

} // namespace podium
