#include "api/service_accounts.hpp"

#include "api/write.hpp"
#include "config/default_kinds.hpp"
#include "config/json_access.hpp"
#include "core/quantity.hpp"
#include "messages/storage.hpp"
#include "runtime/http/token_keys.hpp"

#include <algorithm>

namespace podium::api {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr std::string_view token_path = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::string_view volume_prefix = "kube-api-access-";
constexpr int64_t token_seconds = 3607; // an hour, and what tells such tokens from those somebody asked for
constexpr auto retry_after = 20ms;
constexpr int max_looks = 100;
constexpr const char* default_class_annotations[] = {"storageclass.kubernetes.io/is-default-class",
                                                     "storageclass.beta.kubernetes.io/is-default-class"};

std::string account_of(const json::value& pod) {
  auto* spec = config::object_at(pod, "spec");
  auto name = spec ? std::string{config::text_at(*spec, "serviceAccountName")} : std::string{};
  return name.empty() ? "default" : name;
}

/// One look after another for an account.
struct account_search {
  call_ptr c;
  std::string pod, name;
  std::function<void(const object_ref&)> then;
  int left = max_looks;

  static void look(const std::shared_ptr<account_search>& self);
};

void account_search::look(const std::shared_ptr<account_search>& self) {
  auto& c = self->c;
  auto& parts = c->state->parts;
  if (auto account = parts.view.snapshot("serviceaccounts")->find(c->to.ns, self->name))
    return self->then(account);
  auto ns = parts.view.snapshot("namespaces")->find("", c->to.ns);
  // The registry knows better words for what is wrong then.
  if (!ns || ns->meta().deletion_timestamp) return self->then({});
  if (self->name != "default" || --self->left <= 0)
    return c->fail(forbidden(c->res(), self->pod,
                             "error looking up service account " + c->to.ns + "/" + self->name
                                 + ": serviceaccount \"" + self->name + "\" not found"));
  parts.loop.after(retry_after, [self, alive = c->state] {
    if (!alive->stopping && self->c->exchange->is_open()) look(self);
  });
}

json::object token_volume(const std::string& name) {
  json::array sources;
  json::object token{{"expirationSeconds", token_seconds}, {"path", "token"}};
  sources.push_back(json::object{{"serviceAccountToken", std::move(token)}});
  json::object certificate{{"name", "kube-root-ca.crt"}};
  certificate["items"] = json::array{json::object{{"key", "ca.crt"}, {"path", "ca.crt"}}};
  sources.push_back(json::object{{"configMap", std::move(certificate)}});
  json::object ns{{"path", "namespace"},
                  {"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", "metadata.namespace"}}}};
  json::object downward;
  downward["items"] = json::array{std::move(ns)};
  sources.push_back(json::object{{"downwardAPI", std::move(downward)}});
  json::object projected{{"sources", std::move(sources)}, {"defaultMode", 0644}};
  return {{"name", name}, {"projected", std::move(projected)}};
}

bool mounts_at(const json::object& container, std::string_view path) {
  auto& mounts = config::list_at(container, "volumeMounts");
  return std::any_of(mounts.begin(), mounts.end(),
                     [&](auto& mount) { return config::text_at(mount, "mountPath") == path; });
}

json::array& list_of(json::object& holder, std::string_view key) {
  auto& value = holder[key];
  if (!value.is_array()) value = json::array{};
  return value.get_array();
}

/// A volume of that kind that the pod brings along, or the name of a new one.
std::string volume_name(const json::object& spec, const std::string& suffix) {
  for (auto& volume : config::list_at(spec, "volumes"))
    if (auto name = config::text_at(volume, "name"); name.starts_with(volume_prefix))
      return std::string{name};
  return std::string{volume_prefix} + suffix;
}

void mount(json::object& spec, const std::string& suffix) {
  auto name = volume_name(spec, suffix);
  bool used = false;
  for (auto list : {"initContainers", "containers"})
    config::for_each_object(spec, list, [&](json::object& container) {
      if (mounts_at(container, token_path)) return;
      list_of(container, "volumeMounts")
          .push_back({{"name", name}, {"readOnly", true}, {"mountPath", token_path}});
      used = true;
    });
  auto& volumes = list_of(spec, "volumes");
  bool there = std::any_of(volumes.begin(), volumes.end(),
                           [&](auto& volume) { return config::text_at(volume, "name") == name; });
  if (used && !there) volumes.push_back(token_volume(name));
  if (volumes.empty()) spec.erase("volumes");
}

bool wants_token(const json::object& spec, const service_account& account) {
  if (auto* own = spec.if_contains("automountServiceAccountToken"); own && own->is_bool())
    return own->get_bool();
  return account.automount_service_account_token.value_or(true);
}

} // namespace

void with_service_account(const call_ptr& c, const json::value& document,
                          std::function<void(const object_ref&)> then) {
  if (!c->state->settings.service_accounts || c->res().stored_as != "pods") return then({});
  auto name = metadata_text(document.as_object(), "name");
  auto search = std::make_shared<account_search>();
  search->c = c;
  search->pod = name.empty() ? metadata_text(document.as_object(), "generateName") : name;
  search->name = account_of(document);
  search->then = [c, then = std::move(then)](const object_ref& account) {
    next_step(c, [&] { then(account); });
  };
  account_search::look(search);
}

void take_from_account(json::value& pod, const object& account, bool mount_token, const std::string& suffix) {
  auto& view = account.as_service_account();
  auto& spec = config::make_object(pod.as_object(), "spec");
  if (config::list_at(spec, "imagePullSecrets").empty() && !view.image_pull_secrets.empty()) {
    auto& secrets = list_of(spec, "imagePullSecrets");
    for (auto& secret : view.image_pull_secrets)
      secrets.push_back(json::object{{"name", secret.name}});
  }
  if (mount_token && wants_token(spec, view)) mount(spec, suffix);
}

void finish_new(const call& c, json::value& pod, const object_ref& account) {
  config::protect_storage_object(c.res().gvk(), pod);
  if (!account) return;
  auto& meta = metadata_of(pod.as_object());
  auto path = "api/token-volume/" + c.to.ns + "/" + metadata_text(meta, "name")
              + std::to_string(c.state->now().time_since_epoch().count());
  auto random = c.state->parts.env->stream(path);
  take_from_account(pod, *account, c.state->settings.mount_tokens, random.name_suffix());
}

void default_storage_class(const call& c, json::value& claim) {
  if (c.res().stored_as != "persistentvolumeclaims") return;
  auto& spec = config::make_object(claim.as_object(), "spec");
  if (config::has(spec, "storageClassName")) return;
  object_ref best;
  c.state->parts.view.snapshot("storageclasses.storage.k8s.io")->each("", "", "", [&](const object_ref& ref) {
    auto& meta = ref->meta();
    auto is_newer = !best || meta.creation_timestamp > best->meta().creation_timestamp;
    for (auto key : default_class_annotations)
      if (auto found = meta.annotations.find(key); found != meta.annotations.end())
        if (found->second == "true" && is_newer) best = ref;
    return true;
  });
  if (best) spec["storageClassName"] = best->key().name;
}

std::optional<failure> check_claim_growth(const call& c, const json::value& before,
                                          const json::value& after) {
  if (c.res().stored_as != "persistentvolumeclaims") return {};
  auto spec_of = [](const json::value& claim) -> const json::object& {
    static const json::object none;
    auto* spec = config::object_at(claim.as_object(), "spec");
    return spec ? *spec : none;
  };
  auto size_of = [&](const json::value& claim) {
    auto* resources = config::object_at(spec_of(claim), "resources");
    auto* requests = resources ? config::object_at(*resources, "requests") : nullptr;
    auto size = quantity::parse(requests ? config::text_at(*requests, "storage") : "0");
    return size ? *size : quantity{};
  };
  if (!(size_of(before) < size_of(after))) return {};
  auto name = metadata_text(after.as_object(), "name");
  auto* status = config::object_at(before.as_object(), "status");
  if (!status || config::text_at(*status, "phase") != "Bound")
    return forbidden(c.res(), name, "Only bound persistent volume claims can be expanded");
  auto class_name = config::text_at(spec_of(after), "storageClassName");
  auto from =
      c.state->parts.view.snapshot("storageclasses.storage.k8s.io")->find("", std::string{class_name});
  auto document = from ? from->document() : json::value{};
  auto* allowed = document.is_object() ? document.as_object().if_contains("allowVolumeExpansion") : nullptr;
  if (allowed && *allowed == true) return {};
  return forbidden(c.res(), name,
                   "only dynamically provisioned pvc can be resized and the storageclass that provisions the "
                   "pvc must support resize");
}

std::optional<user_info> user_of_token(const token_keys& keys, const registry_view& view,
                                       std::string_view token, wall_time now,
                                       const std::vector<std::string>& audiences) {
  auto claims = keys.verify(token, now);
  if (!claims || check_token_objects(*claims, view, now)) return std::nullopt;
  auto is_for = [&](const std::string& audience) {
    if (audiences.empty()) return audience == token_issuer_name;
    return std::find(audiences.begin(), audiences.end(), audience) != audiences.end();
  };
  if (std::none_of(claims->audiences.begin(), claims->audiences.end(), is_for)) return std::nullopt;
  user_info out;
  out.name = "system:serviceaccount:" + claims->ns + ":" + claims->service_account;
  out.uid = claims->service_account_uid;
  out.groups = {"system:serviceaccounts", "system:serviceaccounts:" + claims->ns};
  out.extra["authentication.kubernetes.io/credential-id"] = {"JTI=" + claims->id};
  if (claims->bound_to.kind == "Pod") {
    out.extra["authentication.kubernetes.io/pod-name"] = {claims->bound_to.name};
    out.extra["authentication.kubernetes.io/pod-uid"] = {claims->bound_to.uid};
  }
  auto of_node = [&](const std::string& node, const std::string& uid) {
    if (!node.empty()) out.extra["authentication.kubernetes.io/node-name"] = {node};
    if (!uid.empty()) out.extra["authentication.kubernetes.io/node-uid"] = {uid};
  };
  of_node(claims->node, claims->node_uid);
  if (claims->bound_to.kind == "Node") of_node(claims->bound_to.name, claims->bound_to.uid);
  return out;
}

} // namespace podium::api
