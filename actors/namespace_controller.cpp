#include "actors/namespace_controller.hpp"

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
  /// One pass over a namespace: how many answers are out, and how many objects were found.
  struct pass {
    std::string uid;
    size_t open = 0, found = 0;
  };

  void seen(const object_ref& ns) {
    if (!ns->meta().deletion_timestamp) return;
    auto [i, fresh] = going_.try_emplace(ns->key().name, pass{ns->uid()});
    if (!fresh && i->second.uid == ns->uid()) return;
    i->second = pass{ns->uid()};
    empty(ns->key().name);
  }

  void empty(const std::string& name) {
    auto i = going_.find(name);
    if (i == going_.end()) return;
    i->second.found = 0;
    i->second.open = resources_.size();
    for (auto& resource : resources_)
      ask(
          registry_, request_timeout,
          [this, name, uid = i->second.uid](const object_list& all) {
            for (auto& ref : all.items)
              // Who is being deleted already goes in its own time: pods have their grace.
              if (!ref->meta().deletion_timestamp) remove(ref->key(), ref->uid());
            listed(name, uid, all.items.size());
          },
          [this, name, uid = i->second.uid](const caf::error&) { listed(name, uid, 1); },
          list_objects{resource, name});
    if (resources_.empty()) finish(name);
  }

  void remove(const object_key& key, const std::string& uid) {
    delete_object request;
    request.key = key;
    request.uid = uid;
    // Lost or refused: the next pass asks again.
    ask(
        registry_, request_timeout, [](const delete_result&) {}, [](const caf::error&) {},
        std::move(request));
  }

  void listed(const std::string& name, const std::string& uid, size_t found) {
    auto i = going_.find(name);
    if (i == going_.end() || i->second.uid != uid) return;
    i->second.found += found;
    if (--i->second.open > 0) return;
    if (i->second.found == 0)
      finish(name);
    else
      after(look_again, [this, name] { empty(name); });
  }

  /// The registry itself looks whether the namespace is empty; if not, it stays and the next pass goes on.
  void finish(const std::string& name) {
    delete_object request;
    request.key = {"namespaces", "", name};
    request.uid = going_.at(name).uid;
    auto again = [this, name] { after(look_again, [this, name] { empty(name); }); };
    ask(
        registry_, request_timeout,
        [this, name, again](const delete_result& result) {
          if (result.removed)
            going_.erase(name);
          else
            again();
        },
        [this, name, again](const caf::error& err) {
          if (code_of(err) == errc::not_found || code_of(err) == errc::conflict)
            going_.erase(name);
          else
            again();
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
