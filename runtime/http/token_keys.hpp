// Service account tokens: JSON web tokens, signed by a key of the cluster (ES256), and what they say.
#pragma once
#include "core/time.hpp"
#include "messages/registry_view.hpp"
#include "messages/volume_port.hpp"

#include <caf/expected.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace podium {

/// Who makes tokens, and whom they are for when nobody is named: the API server of a cluster by the name
/// that every cluster uses.
constexpr std::string_view token_issuer_name = "https://kubernetes.default.svc.cluster.local";

/// An object without which a token is worth nothing.
struct token_binding {
  std::string kind, name, uid; ///< Pod, Secret or Node; "" is none
};

/// What a token says.
struct token_claims {
  std::string ns, service_account, service_account_uid, id;
  std::vector<std::string> audiences;
  wall_time issued_at, expires_at;
  token_binding bound_to;
  std::string node, node_uid; ///< of the pod it is bound to, if it has one
};

/// The key pair. Immutable, from any thread.
class token_keys {
public:
  /// Reads `file` (PEM, PKCS #8, EC P-256), or makes it, mode 0600. Errors: errc::io; errc::bad_request for a
  /// file that holds no such key.
  static caf::expected<std::shared_ptr<const token_keys>> open(const std::filesystem::path& file);
  ~token_keys();

  /// A signed token; its id is made here.
  std::string sign(token_claims claims) const;
  /// What a token says whose signature, issuer and times are good at `now`. Error errc::unauthorized, said in
  /// a sentence; whether its objects still exist is the asker's to look at.
  caf::expected<token_claims> verify(std::string_view token, wall_time now) const;

  /// The public key as a JSON Web Key Set (RFC 7517).
  const std::string& key_set() const;

private:
  struct impl;
  explicit token_keys(std::unique_ptr<impl> parts);
  std::unique_ptr<impl> impl_;
};

/// Names the node of the pod that a token is bound to, if it has one; its uid if it is there.
void name_node(token_claims& claims, const registry_view& view);

/// Whether the account of a token, and what it is bound to, are there as they were when it was made. A pod
/// that is being deleted keeps its token for its grace and a minute. Error errc::unauthorized. Source:
/// serviceaccount.Validator.
caf::error check_token_objects(const token_claims& claims, const registry_view& view, wall_time now);

} // namespace podium
