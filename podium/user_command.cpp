#include "podium/user_command.hpp"

#include "core/error.hpp"
#include "podium/data_dir.hpp"
#include "runtime/http/pki.hpp"

#include <fstream>
#include <sstream>
#include <yaml-cpp/yaml.h>

namespace podium {
namespace {

caf::expected<std::string> read_file(const std::string& path) {
  std::ifstream in{path};
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (in && !text.str().empty()) return text.str();
  return make_error(errc::not_found,
                    "cannot read " + path
                        + ": `podium up` makes it at its first start; --data-dir must be the daemon's");
}

/// The server that the administrator's kubeconfig names: where the daemon listened last.
caf::expected<std::string> server_url(const std::string& kubeconfig) {
  auto text = read_file(kubeconfig);
  if (!text) return text.error();
  try {
    return YAML::Load(*text)["clusters"][0]["cluster"]["server"].as<std::string>();
  } catch (const YAML::Exception&) {
    return make_error(errc::bad_request, kubeconfig + " names no server");
  }
}

} // namespace

caf::expected<std::string> make_user_kubeconfig(const config::settings& settings,
                                                const user_request& request) {
  if (request.name.empty()) return make_error(errc::bad_request, "a user needs a name");
  if (request.name.size() > 64)
    return make_error(errc::bad_request, "the name of a user in a certificate has at most 64 characters");
  for (auto& group : request.groups)
    if (group.empty() || group.size() > 64)
      return make_error(errc::bad_request, "the name of a group in a certificate has 1 to 64 characters");
  auto url = server_url(settings.data_dir + "/kubeconfig");
  if (!url) return url.error();
  auto certificate = read_file(settings.data_dir + "/pki/ca.crt");
  if (!certificate) return certificate.error();
  auto key = read_file(settings.data_dir + "/pki/ca.key");
  if (!key) return key.error();
  auto made = make_client_certificate({*certificate, *key}, request.name, request.groups, request.validity);
  if (!made) return made.error();
  return kubeconfig_text(*url, *certificate, made->certificate, made->key, request.name);
}

} // namespace podium
