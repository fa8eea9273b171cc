#include "actors/namespace_controller.hpp"

#include "actors/namespace_rules.hpp"
#include "actors/registry_reflector.hpp"

#include <map>

namespace podium {
namespace {

using namespace std::chrono_literals;

constexpr auto request_timeout = 10s;
constexpr auto look_again = 1s; ///< while something of the namespace is still there

class namespace_controller : public base_actor<namespace_controller_actor> {
public:
  namespace_controller(caf::actor_config& cfg, env_ptr actor_env, registry_actor registry,
                       std::vector<std::string> resources)
      : base_actor(cfg, std::move(actor_env), "namespace-controller"), registry_(std::move(registry)),
        resources_(std::move(resources)), namespaces_(*this, "namespaces") {}

protected:
  void on_start() override {
    going_.clear();
    namespaces_.start(
        registry_,
        [this](const object_list& all) {
          for (auto& ref : all.items)
            seen(ref);
        },
        [this](const watch_event& event) {
          if (event.type == watch_type::deleted)
            going_.erase(event.object->key().name);
          else
            seen(event.object);
        });
  }
  void ended() override {
    namespaces_.stop();
    registry_ = nullptr;
  }
  behavior_type handlers() override {
    return {[](const ack&) {}};
  }

private:
  /// A pass over a namespace: first its pods, and only when none is left the rest. Source:
  /// namespacedResourcesDeleter.deleteAllContent.
  struct pass {
    object_ref ns;
    bool pods = true;                   ///< the stage
    size_t open = 0;                    ///< answers that are out
    bool failed = false;                ///< not everything could be looked at
    namespace_rules::remains left = {}; ///< what did not go at once
  };

  void seen(const object_ref& ns) {
    if (!ns->meta().deletion_timestamp) return;
    auto [i, fresh] = going_.try_emplace(ns->key().name, pass{ns});
    bool other = !fresh && i->second.ns->uid() != ns->uid();
    if (other) i->second = pass{ns};
    i->second.ns = ns;
    if (fresh || other) empty(ns->key().name);
  }

  pass* find(const std::string& name, const std::string& uid) {
    auto i = going_.find(name);
    return i == going_.end() || i->second.ns->uid() != uid ? nullptr : &i->second;
  }

  void empty(const std::string& name) {
    auto i = going_.find(name);
    if (i == going_.end()) return;
    i->second = pass{i->second.ns};
    look(name);
  }

  void again(const std::string& name) {
    after(look_again, [this, name] { empty(name); });
  }

  void look(const std::string& name) {
    auto& p = going_.at(name);
    auto uid = p.ns->uid();
    p.open = 1; // until all are asked
    for (auto& resource : resources_) {
      if ((resource == "pods") != p.pods) continue;
      ++p.open;
      ask(
          registry_, request_timeout,
          [this, name, uid](const object_list& all) {
            for (auto& ref : all.items)
              take(name, uid, ref);
            settle(name, uid, false);
          },
          [this, name, uid](const caf::error&) { settle(name, uid, true); }, list_objects{resource, name});
    }
    settle(name, uid, false);
  }

  void take(const std::string& name, const std::string& uid, const object_ref& ref) {
    auto* p = find(name, uid);
    if (!p) return;
    // Who is being deleted already goes in its own time: pods have their grace.
    if (ref->meta().deletion_timestamp) return p->left.add(ref);
    ++p->open;
    delete_object request;
    request.key = ref->key();
    request.uid = ref->uid();
    ask(
        registry_, request_timeout,
        [this, name, uid](const delete_result& result) {
          if (auto* now = find(name, uid); now && !result.removed) now->left.add(result.object);
          settle(name, uid, false);
        },
        [this, name, uid](const caf::error& err) { settle(name, uid, code_of(err) != errc::not_found); },
        std::move(request));
  }

  /// An answer is there. What was lost or refused is asked for again by the next pass.
  void settle(const std::string& name, const std::string& uid, bool failed) {
    auto* p = find(name, uid);
    if (!p) return;
    p->failed = p->failed || failed;
    if (--p->open > 0) return;
    if (!p->left.resources.empty()) tell(*p);
    if (p->failed || !p->left.resources.empty()) return again(name);
    if (!std::exchange(p->pods, false)) return finish(name);
    look(name);
  }

  /// Says in the namespace's status what it waits for.
  void tell(const pass& p) {
    auto status = namespace_rules::next_status(*p.ns, p.left, wall_now());
    if (!status) return;
    ask(
        registry_, request_timeout, [](const object_ref&) {}, [](const caf::error&) {},
        put_status{p.ns->key(), p.ns->uid(), make_document(std::move(*status))});
  }

  /// The registry itself looks whether the namespace is empty; if not, it stays and the next pass goes on.
  void finish(const std::string& name) {
    auto& p = going_.at(name);
    delete_object request;
    request.key = {"namespaces", "", name};
    request.uid = p.ns->uid();
    ask(
        registry_, request_timeout,
        [this, name, uid = request.uid](const delete_result& result) {
          auto* now = find(name, uid);
          if (!now) return;
          if (result.removed) {
            going_.erase(name);
            return;
          }
          tell(*now); // its own finalizers hold it
          again(name);
        },
        [this, name](const caf::error& err) {
          if (code_of(err) == errc::not_found || code_of(err) == errc::conflict)
            going_.erase(name);
          else
            again(name);
        },
        std::move(request));
  }

  registry_actor registry_;
  const std::vector<std::string> resources_;
  registry_reflector<namespace_controller> namespaces_;
  std::map<std::string, pass> going_;
};

} // namespace

namespace_controller_actor spawn_namespace_controller(caf::actor_system& system, env_ptr env,
                                                      registry_actor registry,
                                                      std::vector<std::string> resources) {
  return system.spawn<namespace_controller>(std::move(env), std::move(registry), std::move(resources));
}

} // namespace podium
