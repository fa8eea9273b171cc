// What is done to objects at the door that takes a look at others: service accounts of pods, classes of
// claims; and whom the tokens of accounts stand for.
#pragma once
#include "api/call.hpp"

#include <functional>

namespace podium::api {

/// Finds the account of a new pod and calls `then` with it; null where there is nothing to find out (another
/// kind, the admission is off, the namespace takes no pods anyway). The account `default` of a namespace that
/// is just being made is waited for. Without an account the request is refused with 403. Source: the
/// admission plugin ServiceAccount.
void with_service_account(const call_ptr& c, const boost::json::value& document,
                          std::function<void(const object_ref& account)> then);

/// What a pod takes over from its account: imagePullSecrets if it has none, and, where `mount_token`, a
/// volume with the account's token, the cluster's certificate and the namespace, mounted in each container
/// that has nothing else there. `suffix` names the volume.
void take_from_account(boost::json::value& pod, const object& account, bool mount_token,
                       const std::string& suffix);

/// What admission adds to a new object last, so that nobody owns it: what a pod takes over from its account
/// (null for none), and the protection of volumes and claims.
void finish_new(const call& c, boost::json::value& document, const object_ref& account);

/// Gives a claim without a class the newest default one, if there is any. Source: the admission plugin
/// DefaultStorageClass.
void default_storage_class(const call& c, boost::json::value& claim);

/// Refuses an update that lets a claim grow where its class does not allow it. Source: the admission plugin
/// PersistentVolumeClaimResize.
std::optional<failure> check_claim_growth(const call& c, const boost::json::value& before,
                                          const boost::json::value& after);

/// Who a bearer token of a service account stands for; nothing when it is none, or worth nothing any more.
/// `audiences` are whom the token must be for; none: the API server.
std::optional<user_info> user_of_token(const token_keys& keys, const registry_view& view,
                                       std::string_view token, wall_time now,
                                       const std::vector<std::string>& audiences = {});

} // namespace podium::api
