#include "runtime/http/token_issuer.hpp"

#include "core/base_actor.hpp"
#include "core/error.hpp"

namespace podium {
namespace {

constexpr int64_t least_seconds = 600, most_seconds = int64_t{1} << 32;

class token_issuer : public base_actor<token_issuer_actor> {
public:
  token_issuer(caf::actor_config& cfg, env_ptr actor_env, std::shared_ptr<const token_keys> keys,
               std::shared_ptr<const registry_view> view)
      : base_actor(cfg, std::move(actor_env), "token-issuer"), keys_(std::move(keys)),
        view_(std::move(view)) {}

protected:
  behavior_type handlers() override {
    return {[this](const request_token& r) -> caf::result<issued_token> {
      auto token = issue(r);
      if (!token) return token.error();
      return *token;
    }};
  }

private:
  caf::expected<issued_token> issue(const request_token& r) const {
    if (r.expiration_seconds < least_seconds || r.expiration_seconds > most_seconds)
      return make_error(errc::invalid, "a token is good for 10 minutes at least, and at most 2^32 seconds");
    auto account = view_->snapshot("serviceaccounts")->find(r.ns, r.service_account);
    if (!account || (!r.service_account_uid.empty() && account->uid() != r.service_account_uid))
      return make_error(errc::not_found, "serviceaccounts \"" + r.service_account + "\" not found");
    token_claims claims;
    claims.ns = r.ns;
    claims.service_account = r.service_account;
    claims.service_account_uid = account->uid();
    claims.audiences = r.audiences;
    claims.issued_at = wall_now();
    claims.expires_at = claims.issued_at + std::chrono::seconds{r.expiration_seconds};
    if (!r.bound_uid.empty()) claims.bound_to = {r.bound_kind, r.bound_name, r.bound_uid};
    name_node(claims, *view_);
    return issued_token{keys_->sign(claims), claims.expires_at};
  }

  const std::shared_ptr<const token_keys> keys_;
  const std::shared_ptr<const registry_view> view_;
};

} // namespace

token_issuer_actor spawn_token_issuer(caf::actor_system& system, env_ptr env,
                                      std::shared_ptr<const token_keys> keys,
                                      std::shared_ptr<const registry_view> view) {
  return system.spawn<token_issuer>(std::move(env), std::move(keys), std::move(view));
}

} // namespace podium
