// Which logins fit an image's name, and the file by which skopeo is told of one.
#pragma once
#include "messages/runtime.hpp"
#include "runtime/image/image_settings.hpp"
#include "runtime/image/reference.hpp"
#include <caf/error.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace podium {

/// The name, "host[:port]/path", that `reference` has at `source` (a registry). Pure.
std::string name_at(const image_source& source, const image_reference& reference);

/// The logins that fit an image's name, those for longer names first, each once; for the same name in the
/// order given. A login's registry is host[:port][/path], with or without a scheme and Docker's /v1/ or
/// /v2/: each part of its host may be a glob that fits the same part of the image's, ports are equal, and
/// the image's path begins with its path. Docker Hub's own key, index.docker.io, counts where nothing else
/// fits. Pure. Source: Kubernetes' credential keyring.
std::vector<registry_login> fitting_logins(const std::vector<registry_login>& logins,
                                           const std::string& image_name);

/// Equal for equal lists of logins only. Holds the secrets.
std::string identity_of(const std::vector<registry_login>& logins);

/// A containers-auth.json(5) that has `login` for `host`. Pure.
std::string auth_file_text(const registry_login& login, const std::string& host);
/// Writes a new file that only its owner may read. Blocks. Errors: errc::io, errc::no_space.
caf::error write_auth_file(const std::filesystem::path& file, const std::string& text);

} // namespace podium
