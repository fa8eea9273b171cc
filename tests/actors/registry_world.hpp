// A registry over a memory store under virtual time, and short words to talk to it.
#pragma once
#include "actors/registry.hpp"
#include "core/base_actor.hpp"
#include "messages/pod.hpp"
#include "runtime/store/memory_store.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/detail/test_actor_clock.hpp>
#include <caf/scheduler/test_coordinator.hpp>

namespace podium::test {

using namespace std::chrono_literals;
namespace json = boost::json;

template <class T>
struct got {
  std::optional<T> value;
  caf::error error;
  const T* operator->() const {
    BOOST_REQUIRE_MESSAGE(value, why());
    return &*value;
  }
  std::string why() const { return value ? "" : error ? message_of(error) : "no answer"; }
  errc code() const { return code_of(error); }
};

inline delete_object deletion(object_key key, int64_t grace = -1) {
  delete_object out;
  out.key = std::move(key);
  out.grace_seconds = grace;
  return out;
}

struct registry_world {
  caf::actor_system_config cfg;
  std::unique_ptr<caf::actor_system> sys;
  env_ptr env = std::make_shared<actor_env>(
      7, nanoseconds{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}.time_since_epoch()});
  std::shared_ptr<memory_disk> disk = std::make_shared<memory_disk>();
  std::shared_ptr<registry_view> view;
  store_actor store;
  registry_actor registry;

  registry_world() {
    cfg.set("scheduler.policy", caf::atom("testing"));
    sys = std::make_unique<caf::actor_system>(cfg);
    start();
  }
  ~registry_world() {
    stop();
    sched().clock().cancel_all();
    sched().run();
  }
  void start() {
    view = std::make_shared<registry_view>();
    store = spawn_memory_store(*sys, env, disk);
    registry = spawn_registry(*sys, env, {store, view, {}});
    run_for(0s);
  }
  void stop() {
    if (registry) caf::anon_send_exit(registry, caf::exit_reason::kill);
    if (store) caf::anon_send_exit(store, caf::exit_reason::kill);
    registry = nullptr;
    store = nullptr;
    run_for(0s);
  }

  caf::scheduler::test_coordinator& sched() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(sys->scheduler());
  }
  void run_for(nanoseconds d) {
    auto& s = sched();
    auto end = s.clock().now() + d;
    s.run();
    for (;;) {
      auto& q = s.clock().schedule();
      if (q.empty() || q.begin()->first > end) break;
      s.advance_time(std::max(q.begin()->first - s.clock().now(), nanoseconds{0}));
      s.run();
    }
    s.advance_time(end - s.clock().now());
    s.run();
  }

  /// Sends a request and returns where its answer will be.
  template <class Reply, class Handle, class Message>
  std::shared_ptr<got<Reply>> ask(const Handle& to, Message message) {
    auto out = std::make_shared<got<Reply>>();
    // With an argument: CAF binds a reference to nothing without one.
    sys->spawn(
        [out, to, message = std::move(message)](caf::event_based_actor* self, int) {
          self->request(to, caf::infinite, message)
              .then([out](const Reply& r) { out->value = r; }, [out](caf::error& e) { out->error = e; });
        },
        0);
    return out;
  }
  template <class Reply, class Message>
  got<Reply> call(Message message) {
    auto out = ask<Reply>(registry, std::move(message));
    run_for(0s);
    return *out;
  }

  got<object_ref> create(object_key key, json::value document) {
    return call<object_ref>(create_object{std::move(key), make_document(std::move(document))});
  }
  got<object_ref> update(object_key key, json::value document, update_part part = update_part::main,
                         uint64_t expected = 0) {
    return call<object_ref>(
        update_object{std::move(key), make_document(std::move(document)), part, "", expected});
  }
  got<object_ref> status(object_key key, json::value value, std::string uid = "") {
    return call<object_ref>(put_status{std::move(key), std::move(uid), make_document(std::move(value))});
  }
  got<object_ref> bind(std::string name, std::string node, std::string uid = "") {
    return call<object_ref>(bind_pod{"default", std::move(name), std::move(uid), std::move(node)});
  }
  got<delete_result> remove(object_key key, int64_t grace = -1) {
    return call<delete_result>(deletion(std::move(key), grace));
  }
  object_ref find(const object_key& key) const {
    return view->snapshot(key.resource)->find(key.ns, key.name);
  }
};

inline object_key pod_key(std::string name, std::string ns = "default") {
  return {"pods", std::move(ns), std::move(name)};
}
inline json::value pod_document(const std::string& name, json::object spec = {}) {
  spec.insert({{"containers", json::array{{{"name", "c"}, {"image", "busybox"}}}}});
  return {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", {{"name", name}}}, {"spec", std::move(spec)}};
}
/// The value at a JSON pointer, serialised; "" when there is none.
inline std::string at(const object_ref& ref, std::string_view pointer) {
  boost::system::error_code ec;
  auto document = ref->document();
  auto* value = document.find_pointer(pointer, ec);
  if (!value) return "";
  return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

} // namespace podium::test
