#include "runtime/image/skopeo.hpp"
#include <algorithm>
#include <arpa/inet.h>

namespace podium {

namespace {

constexpr size_t max_error_chars = 1'000;
constexpr std::string_view oci_scheme = "oci:";

std::string unquote(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      result += text[i];
      continue;
    }
    auto c = text[++i];
    result += c == 'n' || c == 't' ? ' ' : c;
  }
  return result;
}

// What leaves this machine never cannot be listened to on the way.
bool is_loopback(std::string_view host) {
  if (host.starts_with('[')) return host.starts_with("[::1]");
  auto name = host.substr(0, host.find(':'));
  if (name == "localhost") return true;
  in_addr address{};
  return ::inet_pton(AF_INET, std::string{name}.c_str(), &address) == 1
         && ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
}

} // namespace

std::vector<image_source> sources_for(const image_settings& settings, const std::string& host) {
  auto verify = !is_loopback(host);
  auto i = settings.registries.find(host);
  if (i == settings.registries.end()) i = settings.registries.find("*");
  if (i == settings.registries.end()) return {{.location = host, .tls_verify = verify}};
  auto result = i->second.mirrors;
  // A registry that stands in for itself says only how it is to be spoken to.
  auto itself = [&](auto& mirror) { return mirror.location == host || mirror.location == "http://" + host; };
  if (i->second.fall_back && std::none_of(result.begin(), result.end(), itself))
    result.push_back({.location = host, .tls_verify = i->second.tls_verify && verify});
  return result;
}

bool is_layout(const image_source& source) {
  return source.location.starts_with(oci_scheme);
}

std::filesystem::path layout_path(const image_source& source) {
  return source.location.substr(oci_scheme.size());
}

std::vector<std::string> skopeo_copy_command(const image_settings& settings, const image_source& source,
                                             const image_reference& reference, const std::string& layout_name,
                                             const std::filesystem::path& layout,
                                             const std::filesystem::path& blobs,
                                             const std::string& auth_file) {
  std::vector<std::string> argv{settings.skopeo};
  if (!settings.policy_file.empty()) {
    argv.insert(argv.end(), {"--policy", settings.policy_file});
  } else if (!std::filesystem::exists("/etc/containers/policy.json")) {
    argv.emplace_back("--insecure-policy");
  }
  argv.insert(argv.end(), {"copy", "--quiet", "--dest-shared-blob-dir", blobs.string()});
  if (!auth_file.empty()) argv.insert(argv.end(), {"--src-authfile", auth_file});
  if (is_layout(source)) {
    argv.push_back(source.location + ":" + layout_name);
  } else {
    std::string host = source.location;
    bool verify = source.tls_verify;
    if (host.starts_with("https://")) host = host.substr(8);
    if (host.starts_with("http://")) {
      host = host.substr(7);
      verify = false;
    }
    while (host.ends_with('/'))
      host.pop_back();
    if (!verify) argv.emplace_back("--src-tls-verify=false");
    // Skopeo takes a tag or a digest, and the digest is what must match.
    auto suffix = reference.digest.empty() ? ":" + reference.tag : "@" + reference.digest;
    argv.push_back("docker://" + host + "/" + reference.repository + suffix);
  }
  argv.push_back("oci:" + layout.string() + ":image");
  return argv;
}

std::string skopeo_error(std::string_view text) {
  std::string result;
  constexpr std::string_view mark = "level=fatal msg=";
  if (auto at = text.rfind(mark); at != text.npos) {
    auto rest = text.substr(at + mark.size());
    result = rest.starts_with('"') ? unquote(rest.substr(1)) : std::string{rest.substr(0, rest.find('\n'))};
  } else {
    while (text.ends_with('\n'))
      text.remove_suffix(1);
    result = text.substr(text.rfind('\n') + 1);
  }
  if (result.empty()) result = "skopeo failed without a word";
  if (result.size() > max_error_chars) result.resize(max_error_chars);
  return result;
}

} // namespace podium
