#include "runtime/image/logins.hpp"

#include "core/base64.hpp"
#include "core/error.hpp"
#include "runtime/process/unique_fd.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <fcntl.h>
#include <fnmatch.h>
#include <set>
#include <unistd.h>

namespace podium {
namespace {

constexpr std::string_view hub_key = "index.docker.io";

void drop_scheme(std::string_view& text) {
  for (std::string_view scheme : {"https://", "http://"})
    if (text.starts_with(scheme)) return text.remove_prefix(scheme.size());
}

// What a login is filed under: "host[:port][/path]".
std::string key_of(std::string_view registry) {
  drop_scheme(registry);
  auto slash = registry.find('/');
  auto host = registry.substr(0, slash);
  auto path = slash == registry.npos ? std::string_view{} : registry.substr(slash);
  // Docker's clients write the API's version into the key of a whole registry.
  if (path.starts_with("/v1/") || path.starts_with("/v2/")) path.remove_prefix(3);
  return std::string{host} + std::string{path == "/" ? std::string_view{} : path};
}

struct location {
  std::vector<std::string> host_parts;
  std::string port, path;
};

location split(std::string_view key) {
  location out;
  auto slash = key.find('/');
  auto host = key.substr(0, slash);
  if (slash != key.npos) out.path = key.substr(slash);
  auto bracket = host.rfind(']');
  auto colon = host.rfind(':');
  if (colon != host.npos && (bracket == host.npos || bracket < colon)) {
    out.port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  while (true) {
    auto dot = host.find('.');
    out.host_parts.emplace_back(host.substr(0, dot));
    if (dot == host.npos) return out;
    host.remove_prefix(dot + 1);
  }
}

bool fits(const location& login, const location& image) {
  if (login.port != image.port || login.host_parts.size() != image.host_parts.size()
      || !image.path.starts_with(login.path))
    return false;
  for (size_t i = 0; i < login.host_parts.size(); ++i) {
    auto &wanted = login.host_parts[i], &part = image.host_parts[i];
    // An IPv6 address in brackets would be a glob of one character.
    if (wanted != part && ::fnmatch(wanted.c_str(), part.c_str(), 0) != 0) return false;
  }
  return true;
}

} // namespace

std::string name_at(const image_source& source, const image_reference& reference) {
  std::string_view host = source.location;
  drop_scheme(host);
  while (host.ends_with('/'))
    host.remove_suffix(1);
  return std::string{host} + "/" + reference.repository;
}

std::vector<registry_login> fitting_logins(const std::vector<registry_login>& logins,
                                           const std::string& image_name) {
  std::vector<std::pair<std::string, const registry_login*>> by_key;
  for (auto& login : logins)
    by_key.emplace_back(key_of(login.registry), &login);
  std::stable_sort(by_key.begin(), by_key.end(), [](auto& a, auto& b) { return a.first > b.first; });
  auto image = split(image_name);
  std::vector<registry_login> out;
  std::set<std::string> seen;
  auto take = [&](const registry_login& login) {
    if (seen.insert(identity_of({login})).second) out.push_back(login);
  };
  for (auto& [key, login] : by_key)
    if (key.empty() || fits(split(key), image)) take(*login);
  if (out.empty() && image_name.starts_with("docker.io/"))
    for (auto& [key, login] : by_key)
      if (key == hub_key) take(*login);
  return out;
}

std::string identity_of(const std::vector<registry_login>& logins) {
  boost::json::array list;
  for (auto& x : logins)
    list.push_back({boost::json::string(x.registry), boost::json::string(x.username),
                    boost::json::string(x.password), boost::json::string(x.identity_token)});
  return boost::json::serialize(list);
}

std::string auth_file_text(const registry_login& login, const std::string& host) {
  boost::json::object entry{{"auth", to_base64(login.username + ":" + login.password)}};
  if (!login.identity_token.empty()) entry["identitytoken"] = login.identity_token;
  boost::json::object document;
  document["auths"].emplace_object()[host] = std::move(entry);
  return boost::json::serialize(document);
}

caf::error write_auth_file(const std::filesystem::path& file, const std::string& text) {
  unique_fd fd{::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!fd) return errno_error("cannot write " + file.string(), errno);
  size_t at = 0;
  while (at < text.size()) {
    auto n = ::write(fd.get(), text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("cannot write " + file.string(), errno);
    at += static_cast<size_t>(n);
  }
  return {};
}

} // namespace podium
