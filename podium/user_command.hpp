// `podium user`: a kubeconfig for somebody else, with a certificate of his own signed by the cluster's CA.
#pragma once
#include "config/settings.hpp"

#include <caf/expected.hpp>
#include <chrono>

namespace podium {

struct user_request {
  std::string name;                ///< the certificate's CN
  std::vector<std::string> groups; ///< each an O
  std::chrono::hours validity{24 * 365};
};

/// Signs a certificate with the CA below the data directory and gives the text of a kubeconfig with it.
/// Errors: errc::bad_request (a name that cannot be one), errc::not_found (no daemon has made the CA yet),
/// errc::io.
caf::expected<std::string> make_user_kubeconfig(const config::settings& settings,
                                                const user_request& request);

} // namespace podium
