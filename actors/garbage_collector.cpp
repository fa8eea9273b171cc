#include "actors/garbage_collector.hpp"

#include "actors/garbage_rules.hpp"
#include "actors/owner_picture.hpp"
#include "actors/registry_reflector.hpp"

#include <list>
#include <map>
#include <set>

namespace podium {
namespace {

using namespace std::chrono_literals;
using garbage_rules::step;

constexpr auto request_timeout = 10s;
constexpr auto retry_delay = 1s; ///< after a request that failed

class garbage_collector : public base_actor<garbage_collector_actor> {
public:
  garbage_collector(caf::actor_config& cfg, env_ptr actor_env, registry_actor registry,
                    std::vector<collected_resource> resources)
      : base_actor(cfg, std::move(actor_env), "garbage-collector"), registry_(std::move(registry)),
        resources_(std::move(resources)), picture_(resources_) {
    for (auto& r : resources_)
      reflectors_.emplace_back(*this, r.name);
  }

protected:
  void on_start() override {
    picture_ = owner_picture{resources_};
    busy_.clear();
    looked_.clear();
    listed_.clear();
    auto resource = resources_.begin();
    for (auto& reflector : reflectors_) {
      reflector.start(
          registry_, [this, name = resource->name](const object_list& all) { listed(name, all); },
          [this](const watch_event& event) {
            if (event.type == watch_type::deleted)
              vanished(event.object->uid());
            else
              seen(event.object);
          });
      ++resource;
    }
  }
  void ended() override {
    for (auto& reflector : reflectors_)
      reflector.stop();
    registry_ = nullptr;
  }
  behavior_type handlers() override {
    return {[](const ack&) {}};
  }

private:
  // -- the picture

  void listed(const std::string& resource, const object_list& all) {
    for (auto& uid : picture_.not_in(resource, all))
      vanished(uid);
    for (auto& ref : all.items)
      seen(ref);
    // Nobody is judged before every resource is known: an owner may be of any.
    if (!listed_.insert(resource).second || !complete()) return;
    for (auto& uid : picture_.uids())
      check(uid);
  }

  bool complete() const { return listed_.size() == resources_.size(); }

  void seen(const object_ref& ref) {
    auto change = picture_.put(ref);
    if (!change.news || !complete()) return;
    check(ref->uid());
    check_owners(change.owners);
    if (garbage_rules::is_waiting(*ref) && !(change.before && garbage_rules::is_waiting(*change.before)))
      check_dependents(ref->uid());
  }

  void vanished(const std::string& uid) {
    auto change = picture_.remove(uid);
    looked_.erase(uid);
    if (!complete()) return;
    check_dependents(uid);
    check_owners(change.owners);
  }

  /// Owners that are being deleted may wait for what their dependents do.
  void check_owners(const std::set<std::string>& uids) {
    for (auto& uid : uids)
      if (auto ref = picture_.find(uid); ref && ref->meta().deletion_timestamp) check(uid);
  }

  void check_dependents(const std::string& uid) {
    for (auto& dependent : picture_.referring_to(uid))
      check(dependent);
  }

  // -- what is to be done

  /// One request about an object at a time; what is news meanwhile is looked at after it.
  void check(const std::string& uid) {
    auto ref = picture_.find(uid);
    if (!ref || (ref->meta().owner_references.empty() && !ref->meta().deletion_timestamp)) return;
    if (auto i = busy_.find(uid); i != busy_.end()) {
      i->second = true;
      return;
    }
    auto facts = picture_.facts_of(*ref);
    facts.looked = looked_.count(uid) > 0;
    act(ref, garbage_rules::decide(facts));
  }

  void act(const object_ref& ref, const garbage_rules::decision& what) {
    switch (what.what) {
    case step::none:
      return;
    case step::look_up_owners:
      return look_up(ref, picture_.unseen_owners_of(*ref), [this, ref] { picture_.settle_owners_of(*ref); });
    case step::look_up_dependents:
      return look_up(ref, picture_.where_dependents_are(*ref),
                     [this, uid = ref->uid()] { looked_.insert(uid); });
    case step::orphan_dependents:
      for (auto& uid : picture_.dependents_of(*ref))
        if (auto dependent = picture_.find(uid); dependent && busy_.count(uid) == 0)
          write(dependent, garbage_rules::without_owners(*dependent, std::vector{ref->uid()}));
      return;
    case step::release:
      return write(ref, garbage_rules::without_finalizer(*ref, what.text));
    case step::drop_owners:
      return write(ref, garbage_rules::without_owners(*ref, what.uids));
    case step::unblock:
      return write(ref, garbage_rules::unblocked(*ref));
    case step::remove:
      return remove(ref, std::string{what.text});
    }
  }

  void write(const object_ref& ref, boost::json::value document) {
    busy_[ref->uid()] = false;
    ask(
        registry_, request_timeout,
        [this, uid = ref->uid()](const object_ref& next) {
          busy_.erase(uid);
          seen(next);
          over(uid);
        },
        [this, ref](const caf::error& err) { failed(ref, err); },
        update_object{ref->key(), make_document(std::move(document)), update_part::main, ref->uid(),
                      ref->resource_version()});
  }

  void remove(const object_ref& ref, std::string policy) {
    busy_[ref->uid()] = false;
    delete_object request;
    request.key = ref->key();
    request.uid = ref->uid();
    request.expected_version = ref->resource_version();
    request.propagation_policy = std::move(policy);
    ask(
        registry_, request_timeout,
        [this, uid = ref->uid()](const delete_result& result) {
          busy_.erase(uid);
          if (result.removed) return vanished(uid);
          seen(result.object);
          over(uid);
        },
        [this, ref](const caf::error& err) { failed(ref, err); }, std::move(request));
  }

  /// Asks the registry itself for the lists of `from`, so that what was only not seen yet is seen.
  void look_up(const object_ref& ref, const std::vector<list_objects>& from, std::function<void()> settled) {
    busy_[ref->uid()] = false;
    auto open = std::make_shared<size_t>(from.size());
    for (auto& question : from)
      ask(
          registry_, request_timeout,
          [this, uid = ref->uid(), open, settled](const object_list& all) {
            for (auto& item : all.items)
              seen(item);
            if (*open == 0 || --*open > 0) return;
            busy_.erase(uid);
            settled();
            check(uid);
          },
          [this, ref, open](const caf::error& err) {
            if (std::exchange(*open, 0) > 0) failed(ref, err);
          },
          question);
  }

  /// What came in between is looked at now.
  void over(const std::string& uid) {
    check(uid);
    if (auto ref = picture_.find(uid)) check_owners(picture_.owners_of(*ref));
  }

  void failed(const object_ref& ref, const caf::error& err) {
    auto& uid = ref->uid();
    auto news = std::exchange(busy_[uid], false);
    busy_.erase(uid);
    if (code_of(err) == errc::not_found) return vanished(uid);
    // A conflict is a version that came in between: it is known already, or comes by the watch.
    if (code_of(err) == errc::conflict && news) return over(uid);
    after(retry_delay, [this, uid] { over(uid); });
  }

  registry_actor registry_;
  const std::vector<collected_resource> resources_;
  std::list<registry_reflector<garbage_collector>> reflectors_;
  owner_picture picture_;
  std::set<std::string> listed_;     ///< resources that were listed at least once
  std::set<std::string> looked_;     ///< objects being deleted whose dependents were looked up
  std::map<std::string, bool> busy_; ///< a request about it is under way; true: there was news since
};

} // namespace

garbage_collector_actor spawn_garbage_collector(caf::actor_system& system, env_ptr env,
                                                registry_actor registry,
                                                std::vector<collected_resource> resources) {
  return system.spawn<garbage_collector>(std::move(env), std::move(registry), std::move(resources));
}

} // namespace podium
