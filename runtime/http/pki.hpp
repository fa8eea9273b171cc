// A small certificate authority: keys and certificates for the API server and its users, as PEM text.
#pragma once
#include <caf/expected.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace podium {

struct pem_identity {
  std::string certificate; ///< PEM
  std::string key;         ///< PEM, PKCS #8, EC P-256
};

/// Ten years, as kubeadm's CA.
constexpr std::chrono::hours default_ca_validity{24 * 3650};
/// One year, as kubeadm's leaf certificates.
constexpr std::chrono::hours default_certificate_validity{24 * 365};

struct server_names {
  std::vector<std::string> dns;
  std::vector<std::string> ips; ///< literals
};

/// A self-signed CA.
caf::expected<pem_identity> make_ca(std::string_view common_name,
                                    std::chrono::seconds validity = default_ca_validity);
/// A serving certificate. errc::invalid for a name or address that cannot be one.
caf::expected<pem_identity>
make_server_certificate(const pem_identity& ca, std::string_view common_name, const server_names& names,
                        std::chrono::seconds validity = default_certificate_validity);
/// A client certificate: CN is the user's name and every O a group, as Kubernetes reads them.
caf::expected<pem_identity>
make_client_certificate(const pem_identity& ca, std::string_view user, const std::vector<std::string>& groups,
                        std::chrono::seconds validity = default_certificate_validity);

/// Nothing when `leaf` chains to `ca`, its key fits and it is valid for at least `spare` more; else what is
/// wrong.
caf::error check_certificate(const pem_identity& leaf, std::string_view ca_pem, std::chrono::seconds spare);

/// Replaces `path` by `text`, mode 0600, so that a reader or a crash sees the old file or the new one, never
/// a part.
caf::error write_private_file(const std::filesystem::path& path, std::string_view text);

struct cluster_pki_settings {
  std::filesystem::path directory; ///< made when absent, mode 0700
  server_names names;
  std::string admin_user = "kubernetes-admin";
  std::vector<std::string> admin_groups = {"system:masters"};
  std::chrono::seconds ca_validity = default_ca_validity;
  std::chrono::seconds certificate_validity = default_certificate_validity;
  std::chrono::seconds renew_before = std::chrono::hours{24 * 30};
};

struct cluster_pki {
  pem_identity ca, server, admin;
};

/// Loads ca, server and admin (.crt and .key) from the directory and makes what is absent, expires soon, does
/// not fit its key or CA, or (server) does not carry exactly the wanted names. A CA that cannot be used makes
/// all new; a CA file that cannot be read at all is an error, so that a passing fault does not replace it.
caf::expected<cluster_pki> ensure_cluster_pki(const cluster_pki_settings& settings);

} // namespace podium
