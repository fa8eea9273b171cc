#include "podium/cluster_client.hpp"

#include "api/resources.hpp"
#include "api/service_accounts.hpp"
#include "config/default_kinds.hpp"
#include "config/defaults.hpp"
#include "config/json_access.hpp"
#include "config/manifest.hpp"

#include <algorithm>
#include <atomic>

namespace podium {
namespace {

const api::resource* resource_of(const config::group_version_kind& gvk) {
  for (auto& r : api::all_resources())
    if (r.gvk() == gvk) return &r;
  return nullptr;
}

} // namespace

cluster_client::cluster_client(caf::actor_system& system, env_ptr env, registry_actor registry,
                               node_actor node, std::shared_ptr<registry_view> view)
    : system_(system), env_(std::move(env)), registry_(std::move(registry)), node_(std::move(node)),
      view_(std::move(view)), shared_(std::make_shared<shared>()) {
  view_->on_publish([state = shared_, v = std::weak_ptr{view_}](const std::string& resource) {
    auto current = v.lock();
    std::lock_guard guard{state->mutex};
    if (state->stopped || !current) return;
    ++state->changes;
    for (auto& f : state->followers)
      if (f.resource == resource) tell(f, *current);
    state->changed.notify_all();
  });
}

void cluster_client::tell(follower& f, const registry_view& view) {
  auto events = view.events_after(f.resource, f.since, 10'000);
  if (!events) return;
  for (auto& e : *events) {
    f.since = e.resource_version;
    f.call(e);
  }
}

void cluster_client::give_up() {
  std::lock_guard guard{shared_->mutex};
  shared_->over = true;
  shared_->changed.notify_all();
}

void cluster_client::stop() {
  std::lock_guard guard{shared_->mutex};
  // What is published is seen by wait() before the listeners have heard of it.
  if (!shared_->stopped)
    for (auto& f : shared_->followers)
      tell(f, *view_);
  shared_->stopped = shared_->over = true;
  shared_->changed.notify_all();
  node_ = nullptr;
}

void cluster_client::on_change(const std::string& resource, object_listener f) {
  std::lock_guard guard{shared_->mutex};
  shared_->followers.push_back({resource, view_->resource_version(), std::move(f)});
}

bool cluster_client::wait(nanoseconds limit, const std::stop_token& stop,
                          const std::function<bool(const registry_view&)>& done) {
  auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    std::unique_lock guard{shared_->mutex};
    auto seen = shared_->changes;
    guard.unlock();
    if (done(*view_)) return true;
    guard.lock();
    auto woken = shared_->changed.wait_until(guard, stop, end,
                                             [&] { return shared_->changes != seen || shared_->over; });
    if (!woken || shared_->over || stop.stop_requested()) return false;
  }
}

bool cluster_client::await_removals(nanoseconds limit, const std::stop_token& stop) {
  enum class answer { none, gone, failed };
  auto heard = std::make_shared<std::atomic<answer>>(answer::none);
  auto tell = [state = shared_, heard](answer a) {
    std::lock_guard guard{state->mutex};
    *heard = a;
    ++state->changes;
    state->changed.notify_all();
  };
  // An actor asks: a thread that waited for the answer itself would not hear of `stop`.
  system_.spawn(
      [tell](caf::event_based_actor* self, const node_actor& node, nanoseconds patience) {
        self->request(node, patience, podium::await_removals{})
            .then([tell](const ack&) { tell(answer::gone); }, [tell](caf::error&) { tell(answer::failed); });
      },
      node_, std::max(limit, nanoseconds{1}));
  wait(limit, stop, [&](const registry_view&) { return *heard != answer::none; });
  return *heard == answer::gone;
}

caf::expected<object_key> cluster_client::create(const boost::json::value& object,
                                                 const std::string& resource, bool namespaced) {
  auto& meta = object.at("metadata").as_object();
  auto text = [&](const char* name) {
    auto* v = meta.if_contains(name);
    return v && v->is_string() ? std::string(v->get_string()) : std::string{};
  };
  object_key key{resource, namespaced ? text("namespace") : "", text("name")};
  caf::scoped_actor self{system_};
  caf::expected<object_key> out = make_error(errc::timeout, "the registry did not answer");
  self->request(registry_, std::chrono::seconds{30}, create_object{key, make_document(object), false})
      .receive([&](const object_ref& made) { out = made->key(); },
               [&](caf::error& err) { out = std::move(err); });
  return out;
}

caf::error cluster_client::admit_to_account(boost::json::value& pod, const std::stop_token& stop) {
  auto text = [&](std::string_view part, const char* name) {
    return std::string{config::text_at(pod.at(part).as_object(), name)};
  };
  auto ns = text("metadata", "namespace"), name = text("spec", "serviceAccountName");
  object_ref account;
  // The account of a namespace that was just made is on its way.
  auto found = wait(std::chrono::seconds{2}, stop, [&](const registry_view& v) {
    account = v.snapshot("serviceaccounts")->find(ns, name);
    return static_cast<bool>(account);
  });
  if (!found)
    return make_error(errc::forbidden, "pods \"" + text("metadata", "name")
                                           + "\" is forbidden: error looking up service account " + ns + "/"
                                           + name + ": serviceaccount \"" + name + "\" not found");
  api::take_from_account(pod, *account, true, env_->stream("apply/" + ns + "/" + name).name_suffix());
  return {};
}

caf::expected<std::vector<object_key>> cluster_client::apply(const std::string& path,
                                                             const std::stop_token& stop) {
  auto manifests = config::load_manifests(path);
  if (!manifests) return manifests.error();
  std::vector<object_key> made;
  for (auto& m : *manifests) {
    auto* row = resource_of(m.gvk);
    caf::expected<object_key> key = make_error(errc::bad_request, "podium does not serve " + m.gvk.kind);
    if (stop.stop_requested()) {
      key = make_error(errc::cancelled, "the rest is not applied: podium was asked to end");
    } else if (row) {
      auto object = m.object;
      auto& meta = object.as_object()["metadata"];
      if (!meta.is_object()) meta = boost::json::object{};
      if (row->namespaced && !meta.get_object().contains("namespace"))
        meta.get_object()["namespace"] = "default";
      config::apply_defaults(m.gvk, object);
      if (m.gvk.kind == "Pod") config::init_pod_status(object);
      config::init_storage_status(m.gvk, object);
      config::protect_storage_object(m.gvk, object);
      if (row->revert) row->revert(object.as_object());
      auto refused = m.gvk.kind == "Pod" ? admit_to_account(object, stop) : caf::error{};
      key = refused ? caf::expected<object_key>{std::move(refused)}
                    : create(object, std::string{row->stored_as}, row->namespaced);
    }
    if (!key) {
      remove(made, std::chrono::seconds{60}, stop);
      return make_error(code_of(key.error()), path + ": " + message_of(key.error()));
    }
    made.push_back(*key);
  }
  return made;
}

bool cluster_client::remove(const std::vector<object_key>& keys, nanoseconds limit,
                            const std::stop_token& stop) {
  {
    caf::scoped_actor self{system_};
    for (auto& key : keys) {
      delete_object request;
      request.key = key;
      self->request(registry_, std::chrono::seconds{30}, request)
          .receive([](const delete_result&) {}, [](caf::error&) {});
    }
  }
  auto end = std::chrono::steady_clock::now() + limit;
  auto gone = wait(limit, stop, [&](const registry_view& v) {
    return std::none_of(keys.begin(), keys.end(), [&](auto& k) {
      return static_cast<bool>(v.snapshot(k.resource)->find(k.ns, k.name));
    });
  });
  return gone && await_removals(end - std::chrono::steady_clock::now(), stop);
}

} // namespace podium
