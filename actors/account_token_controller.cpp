#include "actors/account_token_controller.hpp"

#include "actors/registry_reflector.hpp"
#include "core/base64.hpp"
#include "messages/storage.hpp"

#include <map>
#include <set>

namespace podium {
namespace {

using namespace std::chrono_literals;

constexpr auto request_timeout = 10s;
constexpr auto look_again = 1s; ///< after an answer that was none
constexpr int64_t token_seconds = int64_t{1} << 32;
constexpr auto secret_type = "kubernetes.io/service-account-token";
constexpr auto name_annotation = "kubernetes.io/service-account.name";
constexpr auto uid_annotation = "kubernetes.io/service-account.uid";
constexpr auto secrets_name = "secrets";
constexpr auto accounts_name = "serviceaccounts";

const std::string& annotation(const object& secret, const char* key) {
  static const std::string none;
  auto found = secret.meta().annotations.find(key);
  return found == secret.meta().annotations.end() ? none : found->second;
}

bool is_token_secret(const object& secret) {
  return secret.as_secret().type == secret_type && !secret.meta().deletion_timestamp;
}

class account_token_controller : public base_actor<account_token_controller_actor> {
public:
  account_token_controller(caf::actor_config& cfg, env_ptr actor_env, registry_actor registry,
                           token_issuer_actor issuer, const std::string& root_certificate)
      : base_actor(cfg, std::move(actor_env), "account-token-controller"), registry_(std::move(registry)),
        issuer_(std::move(issuer)), certificate_(to_base64(root_certificate)),
        secret_watch_(*this, secrets_name), account_watch_(*this, accounts_name) {}

protected:
  void on_start() override {
    secrets_.clear();
    accounts_.reset();
    busy_.clear();
    secret_watch_.start(
        registry_,
        [this](const object_list& all) {
          secrets_.clear();
          for (auto& ref : all.items)
            if (is_token_secret(*ref)) secrets_[ref->key()] = ref;
          tend_all();
        },
        [this](const watch_event& event) {
          auto& key = event.object->key();
          if (event.type == watch_type::deleted || !is_token_secret(*event.object)) {
            secrets_.erase(key);
          } else {
            secrets_[key] = event.object;
            tend(key);
          }
        });
    account_watch_.start(
        registry_,
        [this](const object_list& all) {
          accounts_.emplace();
          for (auto& ref : all.items)
            accounts_->insert_or_assign(ref->key(), ref);
          tend_all();
        },
        [this](const watch_event& event) {
          if (!accounts_) return;
          auto& key = event.object->key();
          if (event.type == watch_type::deleted)
            accounts_->erase(key);
          else
            accounts_->insert_or_assign(key, event.object);
          for (auto& [secret, ref] : secrets_)
            if (secret.ns == key.ns && annotation(*ref, name_annotation) == key.name) tend(secret);
        });
  }
  void ended() override {
    secret_watch_.stop();
    account_watch_.stop();
    registry_ = nullptr;
    issuer_ = nullptr;
  }
  behavior_type handlers() override {
    return {[](const ack&) {}};
  }

private:
  void tend_all() {
    for (auto& [key, ref] : secrets_)
      tend(key);
  }

  /// One thing at a time for each secret; the watch brings what comes of it.
  void tend(const object_key& key) {
    auto found = secrets_.find(key);
    if (found == secrets_.end() || !accounts_ || busy_.contains(key)) return;
    auto& secret = found->second;
    auto account = accounts_->find({accounts_name, key.ns, annotation(*secret, name_annotation)});
    auto& uid = annotation(*secret, uid_annotation);
    if (account == accounts_->end() || (!uid.empty() && uid != account->second->uid()))
      return make_sure(secret);
    if (is_whole(*secret, *account->second)) return;
    if (secret->as_secret().data.contains("token"))
      write(secret, *account->second, {});
    else
      issue(secret, account->second);
  }

  bool is_whole(const object& secret, const object& account) const {
    auto& data = secret.as_secret().data;
    auto holds = [&](const char* key, const std::string& text) {
      auto found = data.find(key);
      return found != data.end() && found->second == text;
    };
    return data.contains("token") && holds("namespace", to_base64(secret.key().ns))
           && (certificate_.empty() || holds("ca.crt", certificate_))
           && annotation(secret, uid_annotation) == account.uid();
  }

  void issue(const object_ref& secret, const object_ref& account) {
    request_token request;
    request.ns = secret->key().ns;
    request.service_account = account->key().name;
    request.service_account_uid = account->uid();
    request.expiration_seconds = token_seconds;
    request.bound_kind = "Secret";
    request.bound_name = secret->key().name;
    request.bound_uid = secret->uid();
    busy_.insert(secret->key());
    ask(
        issuer_, request_timeout,
        [this, secret, account](const issued_token& made) { write(secret, *account, made.token); },
        [this, key = secret->key()](const caf::error&) { again(key); }, std::move(request));
  }

  /// `token` "" leaves the one that is there.
  void write(const object_ref& secret, const object& account, const std::string& token) {
    auto document = secret->document();
    auto& root = document.as_object();
    root["metadata"].as_object()["annotations"].as_object()[uid_annotation] = account.uid();
    auto& data = root["data"];
    if (!data.is_object()) data = boost::json::object{};
    auto& values = data.as_object();
    values["namespace"] = to_base64(secret->key().ns);
    if (!certificate_.empty()) values["ca.crt"] = certificate_;
    if (!token.empty()) values["token"] = to_base64(token);
    send<object_ref>(secret->key(),
                     update_object{secret->key(), make_document(std::move(document)), update_part::main,
                                   secret->uid(), secret->resource_version(), false});
  }

  /// The two watches are not in step: the registry itself is asked before anything is taken away.
  void make_sure(const object_ref& secret) {
    busy_.insert(secret->key());
    ask(
        registry_, request_timeout,
        [this, secret](const object_list& all) {
          auto& uid = annotation(*secret, uid_annotation);
          for (auto& ref : all.items) {
            if (ref->key().name != annotation(*secret, name_annotation)) continue;
            if (!uid.empty() && uid != ref->uid()) continue;
            if (accounts_) accounts_->insert_or_assign(ref->key(), ref);
            busy_.erase(secret->key());
            return tend(secret->key());
          }
          delete_object request;
          request.key = secret->key();
          request.uid = secret->uid();
          request.expected_version = secret->resource_version();
          send<delete_result>(secret->key(), std::move(request));
        },
        [this, key = secret->key()](const caf::error&) { again(key); },
        list_objects{accounts_name, secret->key().ns});
  }

  template <class Reply, class Request>
  void send(const object_key& key, Request request) {
    busy_.insert(key);
    // What another write has made of the secret comes by the watch, perhaps before this answer: so it is
    // looked at once more after both.
    ask(
        registry_, request_timeout,
        [this, key](const Reply& reply) {
          busy_.erase(key);
          if constexpr (std::is_same_v<Reply, object_ref>) see(reply);
          tend(key);
        },
        [this, key](const caf::error& err) {
          if (code_of(err) == errc::not_found) {
            busy_.erase(key);
            return;
          }
          again(key);
        },
        std::move(request));
  }

  void see(const object_ref& secret) {
    auto known = secrets_.find(secret->key());
    if (known != secrets_.end() && known->second->uid() == secret->uid()
        && known->second->resource_version() < secret->resource_version())
      known->second = secret;
  }

  void again(const object_key& key) {
    after(look_again, [this, key] {
      busy_.erase(key);
      tend(key);
    });
  }

  registry_actor registry_;
  token_issuer_actor issuer_;
  const std::string certificate_; ///< in base64
  registry_reflector<account_token_controller> secret_watch_, account_watch_;
  std::map<object_key, object_ref> secrets_; ///< those of the type that are not being deleted
  std::optional<std::map<object_key, object_ref>> accounts_;
  std::set<object_key> busy_;
};

} // namespace

account_token_controller_actor spawn_account_token_controller(caf::actor_system& system, env_ptr env,
                                                              registry_actor registry,
                                                              token_issuer_actor issuer,
                                                              std::string root_certificate) {
  return system.spawn<account_token_controller>(std::move(env), std::move(registry), std::move(issuer),
                                                std::move(root_certificate));
}

} // namespace podium
