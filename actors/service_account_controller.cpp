#include "actors/service_account_controller.hpp"

#include "actors/registry_reflector.hpp"
#include "messages/storage.hpp"

#include <map>
#include <set>

namespace podium {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

constexpr auto request_timeout = 10s;
constexpr auto look_again = 1s; ///< after an answer that was none
constexpr auto account_name = "default";
constexpr auto certificate_name = "kube-root-ca.crt";
constexpr auto certificate_key = "ca.crt";

json::value account_document(const std::string& ns) {
  return {{"apiVersion", "v1"},
          {"kind", "ServiceAccount"},
          {"metadata", {{"name", account_name}, {"namespace", ns}}}};
}

json::value certificate_document(const std::string& ns, const std::string& text) {
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata",
           {{"name", certificate_name},
            {"namespace", ns},
            {"annotations",
             {{"kubernetes.io/description",
               "The certificate of the authority that the API server's own is signed by."}}}}},
          {"data", {{certificate_key, text}}}};
}

/// Kubernetes' ServiceAccountsController and RootCACertPublisher in one.
class service_account_controller : public base_actor<service_account_controller_actor> {
public:
  service_account_controller(caf::actor_config& cfg, env_ptr actor_env, registry_actor registry,
                             std::string root_certificate)
      : base_actor(cfg, std::move(actor_env), "service-account-controller"), registry_(std::move(registry)),
        certificate_(std::move(root_certificate)), namespaces_(*this, "namespaces"),
        accounts_(*this, "serviceaccounts"), configs_(*this, "configmaps") {}

protected:
  void on_start() override {
    living_.clear();
    asked_.clear();
    follow(namespaces_, living_, [](const object_ref& ns) { return ns->key().name; });
    follow(accounts_, have_account_, [](const object_ref& ref) {
      return ref->key().name == account_name ? ref->key().ns : std::string{};
    });
    if (!certificate_.empty())
      follow(configs_, have_certificate_, [](const object_ref& ref) {
        return ref->key().name == certificate_name ? ref->key().ns : std::string{};
      });
  }
  void ended() override {
    namespaces_.stop();
    accounts_.stop();
    configs_.stop();
    registry_ = nullptr;
  }
  behavior_type handlers() override {
    return {[](const ack&) {}};
  }

private:
  /// What is known of one resource, by namespace; nothing before its first list.
  struct known {
    bool read = false;
    std::map<std::string, object_ref> by_namespace;
    void clear() { *this = {}; }
  };
  using reflector = registry_reflector<service_account_controller>;

  /// Keeps `into` up to date; `ns_of` is "" for objects that are not looked at.
  void follow(reflector& from, known& into, std::string (*ns_of)(const object_ref&)) {
    into.clear();
    from.start(
        registry_,
        [this, &into, ns_of](const object_list& all) {
          into.clear();
          into.read = true;
          for (auto& ref : all.items)
            if (auto ns = ns_of(ref); !ns.empty()) into.by_namespace[ns] = ref;
          for (auto& [ns, ref] : living_.by_namespace)
            tend(ns);
        },
        [this, &into, ns_of](const watch_event& event) {
          auto ns = ns_of(event.object);
          if (ns.empty()) return;
          if (event.type == watch_type::deleted)
            into.by_namespace.erase(ns);
          else
            into.by_namespace[ns] = event.object;
          tend(ns);
        });
  }

  void tend(const std::string& ns) {
    auto living = living_.by_namespace.find(ns);
    if (living == living_.by_namespace.end() || living->second->meta().deletion_timestamp) return;
    object_key account{"serviceaccounts", ns, account_name}, config{"configmaps", ns, certificate_name};
    if (have_account_.read && !have_account_.by_namespace.contains(ns))
      send(account, create_object{account, make_document(account_document(ns))});
    if (certificate_.empty() || !have_certificate_.read) return;
    auto found = have_certificate_.by_namespace.find(ns);
    if (found == have_certificate_.by_namespace.end())
      return send(config, create_object{config, make_document(certificate_document(ns, certificate_))});
    auto& data = found->second->as_config_map().data;
    auto text = data.find(certificate_key);
    if (data.size() == 1 && text != data.end() && text->second == certificate_) return;
    auto document = found->second->document();
    document.as_object()["data"] = {{certificate_key, certificate_}};
    send(config, update_object{config, make_document(std::move(document)), update_part::main,
                               found->second->uid(), found->second->resource_version()});
  }

  /// One write of a key at a time. What came of it is seen by watching; only no answer at all is asked again.
  template <class Request>
  void send(const object_key& key, Request request) {
    if (!asked_.insert(key).second) return;
    ask(
        registry_, request_timeout, [this, key](const object_ref&) { asked_.erase(key); },
        [this, key](const caf::error& err) {
          asked_.erase(key);
          if (auto code = code_of(err);
              code != errc::already_exists && code != errc::not_found && code != errc::forbidden)
            after(look_again, [this, ns = key.ns] { tend(ns); });
        },
        std::move(request));
  }

  registry_actor registry_;
  const std::string certificate_;
  reflector namespaces_, accounts_, configs_;
  known living_, have_account_, have_certificate_;
  std::set<object_key> asked_;
};

} // namespace

service_account_controller_actor spawn_service_account_controller(caf::actor_system& system, env_ptr env,
                                                                  registry_actor registry,
                                                                  std::string root_certificate) {
  return system.spawn<service_account_controller>(std::move(env), std::move(registry),
                                                  std::move(root_certificate));
}

} // namespace podium
