#include "actors/volume_binder.hpp"

#include "actors/registry_reflector.hpp"
#include "actors/volume_rules.hpp"
#include "messages/pod.hpp"

#include <map>
#include <set>

namespace podium {
namespace {

using namespace std::chrono_literals;
using volume_rules::step;

constexpr auto request_timeout = 10s;
constexpr auto directory_timeout = 60s;
constexpr auto look_again = 1s;     ///< after a write that came to nothing
constexpr auto repeat_after = 5min; ///< that the same thing is told of the same claim
constexpr auto volumes_name = "persistentvolumes";
constexpr auto claims_name = "persistentvolumeclaims";
constexpr auto classes_name = "storageclasses.storage.k8s.io";
/// There once the default class was made, or was found not to be wanted.
constexpr std::string_view default_class_row = "/podium/default-storage-class";

/// The claims of a pod that has not ended, and whether it is on a node.
struct pod_claims {
  std::set<object_key> claims;
  bool placed = false;
  bool operator==(const pod_claims&) const = default;
};

pod_claims claims_of(const object_ref& ref) {
  pod_claims out;
  auto& p = ref->as_pod();
  if (p.status.phase == "Succeeded" || p.status.phase == "Failed") return out;
  for (auto& v : p.spec.volumes)
    if (v.persistent_volume_claim)
      out.claims.insert({claims_name, ref->key().ns, v.persistent_volume_claim->claim_name});
  out.placed = !p.spec.node_name.empty();
  return out;
}

class volume_binder : public base_actor<volume_binder_actor> {
public:
  volume_binder(caf::actor_config& cfg, env_ptr actor_env, volume_binder_settings settings)
      : base_actor(cfg, std::move(actor_env), "volume-binder"), s_(std::move(settings)),
        volumes_(*this, volumes_name), claims_(*this, claims_name), classes_(*this, classes_name),
        pods_(*this, "pods") {}

protected:
  /// Everything is seen anew in the registry.
  void on_start() override {
    seen_ = {};
    read_.clear();
    users_.clear();
    asked_.clear();
    told_.clear();
    look_pending_ = default_class_judged_ = false;
    follow(volumes_, volumes_name, seen_.volumes, [](const object_key& key) { return key.name; });
    follow(claims_, claims_name, seen_.claims, [](const object_key& key) { return key; });
    follow(classes_, classes_name, seen_.classes, [](const object_key& key) { return key.name; });
    pods_.start(
        s_.registry,
        [this](const object_list& all) {
          users_.clear();
          for (auto& ref : all.items)
            see_pod(ref);
          count_users();
          read_.insert("pods");
          look_soon();
        },
        [this](const watch_event& event) {
          bool changed = event.type == watch_type::deleted ? users_.erase(event.object->key()) > 0
                                                           : see_pod(event.object);
          if (!changed) return;
          count_users();
          look_soon();
        });
  }
  void ended() override {
    volumes_.stop();
    claims_.stop();
    classes_.stop();
    pods_.stop();
    s_ = {};
  }
  behavior_type handlers() override {
    return {[](const ack&) {}};
  }

private:
  using reflector = registry_reflector<volume_binder>;

  template <class Map, class KeyOf>
  void follow(reflector& from, const char* resource, Map& into, KeyOf key_of) {
    from.start(
        s_.registry,
        [this, resource, &into, key_of](const object_list& all) {
          into.clear();
          for (auto& ref : all.items)
            into[key_of(ref->key())] = ref;
          read_.insert(resource);
          if (resource == std::string_view{classes_name}) make_default_class();
          look_soon();
        },
        [this, &into, key_of](const watch_event& event) {
          if (event.type == watch_type::deleted) {
            into.erase(key_of(event.object->key()));
            told_.erase(event.object->key());
          } else if (auto& known = into[key_of(event.object->key())];
                     !known || known->resource_version() <= event.object->resource_version()) {
            known = event.object;
          }
          look_soon();
        });
  }

  /// Most pods have no claims and cost nothing here. True when what is known changed.
  bool see_pod(const object_ref& ref) {
    auto now_has = claims_of(ref);
    auto known = users_.find(ref->key());
    if (now_has.claims.empty()) {
      if (known == users_.end()) return false;
      users_.erase(known);
      return true;
    }
    if (known != users_.end() && known->second == now_has) return false;
    users_[ref->key()] = std::move(now_has);
    return true;
  }

  void count_users() {
    seen_.users.clear();
    seen_.holders.clear();
    for (auto& [key, pod] : users_)
      for (auto& claim : pod.claims) {
        ++seen_.users[claim];
        if (pod.placed) ++seen_.holders[claim];
      }
  }

  /// After the messages at hand: what came together is looked at once.
  void look_soon() {
    if (read_.size() < 4 || std::exchange(look_pending_, true)) return;
    after(0s, [this] {
      look_pending_ = false;
      for (auto& [name, ref] : seen_.volumes)
        carry_out(ref, volume_rules::decide_volume(ref, seen_, wall_now()));
      for (auto& [key, ref] : seen_.claims)
        carry_out(ref, volume_rules::decide_claim(ref, seen_));
    });
  }

  /// `about` is what was judged; the step may be a claim's word written into its volume.
  void carry_out(const object_ref& about, step next) {
    auto ref = about;
    if (next.key.resource == volumes_name && next.key != about->key())
      if (auto found = seen_.volumes.find(next.key.name); found != seen_.volumes.end()) ref = found->second;
    if (asked_.contains(ref->key()) || asked_.contains(about->key())) return;
    if (next.tell) tell(about, *next.tell);
    switch (next.what) {
    case step::kind::none:
      return;
    case step::kind::update:
      return write(ref->key(), update_object{ref->key(), make_document(std::move(next.document)),
                                             update_part::main, ref->uid(), ref->resource_version()});
    case step::kind::put_status:
      return write(ref->key(), put_status{ref->key(), ref->uid(), make_document(std::move(next.document))});
    case step::kind::make_directory:
      return provision(ref);
    case step::kind::remove_directory:
      return remove_volume(ref);
    case step::kind::remove:
      return write(ref->key(), deletion_of(ref));
    }
  }

  static delete_object deletion_of(const object_ref& ref) {
    delete_object out;
    out.key = ref->key();
    out.uid = ref->uid();
    return out;
  }

  /// One request about an object at a time. What came of it is seen by watching; a refusal (somebody else
  /// wrote meanwhile) is looked at again.
  template <class Request>
  void write(const object_key& key, Request request) {
    using reply = std::conditional_t<std::is_same_v<Request, delete_object>, delete_result, object_ref>;
    asked_.insert(key);
    ask(
        s_.registry, request_timeout,
        [this, key](const reply& made) {
          asked_.erase(key);
          learn(made);
          look_soon();
        },
        [this, key](const caf::error&) { again(key); }, std::move(request));
  }

  /// The answer may be here before the watch's news of the same write.
  void learn(const object_ref& ref) {
    auto newer = [&](object_ref& known) {
      if (known && known->resource_version() < ref->resource_version()) known = ref;
    };
    auto& key = ref->key();
    if (key.resource == volumes_name)
      if (auto i = seen_.volumes.find(key.name); i != seen_.volumes.end()) newer(i->second);
    if (key.resource == claims_name)
      if (auto i = seen_.claims.find(key); i != seen_.claims.end()) newer(i->second);
  }
  void learn(const delete_result& result) { learn(result.object); }

  void again(const object_key& key) {
    after(look_again, [this, key] {
      asked_.erase(key);
      look_soon();
    });
  }

  void provision(const object_ref& claim) {
    auto key = claim->key();
    auto from = seen_.classes.find(claim->as_persistent_volume_claim().spec.storage_class_name.value_or(""));
    if (!s_.volumes || from == seen_.classes.end()) return;
    asked_.insert(key);
    make_volume_directory request;
    request.volume_name = volume_rules::name_for(*claim);
    ask(
        s_.volumes, directory_timeout,
        [this, claim, storage = from->second](const volume_directory& made) {
          create_volume(claim, volume_rules::volume_for(*claim, *storage, made.path, s_.node_name));
        },
        [this, claim](const caf::error& err) {
          tell(claim, {"Warning", "ProvisioningFailed",
                       "Failed to provision volume with StorageClass \""
                           + claim->as_persistent_volume_claim().spec.storage_class_name.value_or("")
                           + "\": " + message_of(err)});
          again(claim->key());
        },
        std::move(request));
  }

  void create_volume(const object_ref& claim, boost::json::value document) {
    auto name = volume_rules::name_for(*claim);
    ask(
        s_.registry, request_timeout,
        [this, claim, name](const object_ref&) {
          tell(claim, {"Normal", "ProvisioningSucceeded",
                       "Successfully provisioned volume " + name + " using "
                           + std::string{volume_rules::own_provisioner}});
          asked_.erase(claim->key());
          look_soon();
        },
        [this, claim](const caf::error&) { again(claim->key()); },
        create_object{{volumes_name, "", name}, make_document(std::move(document))});
  }

  /// The directory first: without its volume nobody would know that it is there.
  void remove_volume(const object_ref& volume) {
    if (!s_.volumes) return;
    asked_.insert(volume->key());
    make_volume_directory request;
    request.volume_name = volume->key().name;
    request.remove = true;
    ask(
        s_.volumes, directory_timeout,
        [this, volume](const volume_directory&) { write(volume->key(), deletion_of(volume)); },
        [this, volume](const caf::error& err) {
          tell(volume, {"Warning", "VolumeFailedDelete", message_of(err)});
          again(volume->key());
        },
        std::move(request));
  }

  /// Once in a cluster's life: who deletes the class shall not see it come back. Nor is it made beside a
  /// default class of somebody else's.
  void make_default_class() {
    if (!s_.store || default_class_judged_) return;
    default_class_judged_ = true;
    ask(
        s_.store, request_timeout,
        [this](const store_rows& rows) {
          if (rows.rows.empty()) create_default_class();
        },
        [this](const caf::error&) { judge_default_class_again(); },
        store_range{std::string{default_class_row}});
  }

  void create_default_class() {
    if (seen_.classes.contains(std::string{volume_rules::default_class})
        || volume_rules::default_class_of(seen_))
      return remember_default_class();
    object_key key{classes_name, "", std::string{volume_rules::default_class}};
    ask(
        s_.registry, request_timeout, [this](const object_ref&) { remember_default_class(); },
        [this](const caf::error& err) {
          if (code_of(err) == errc::already_exists) return remember_default_class();
          judge_default_class_again();
        },
        create_object{key, make_document(volume_rules::default_class_document())});
  }

  void remember_default_class() {
    ask(
        s_.store, request_timeout, [](const ack&) {},
        [this](const caf::error&) { after(look_again, [this] { remember_default_class(); }); },
        store_commit{{{std::string{default_class_row}, "made", 0}}});
  }

  void judge_default_class_again() {
    after(look_again, [this] {
      default_class_judged_ = false;
      make_default_class();
    });
  }

  /// A thing is told once, and again after a while as long as it is so.
  void tell(const object_ref& ref, const volume_rules::notice& words) {
    auto& [last, until] = told_[ref->key()];
    if (last == words && now() < until) return;
    last = words;
    until = now() + repeat_after;
    if (!s_.recorder) return;
    bool is_claim = ref->key().resource == claims_name;
    record_event event{ref->key(),
                       is_claim ? "PersistentVolumeClaim" : "PersistentVolume",
                       ref->uid(),
                       "",
                       words.type,
                       words.reason,
                       words.message,
                       "persistentvolume-controller",
                       ""};
    this->send(s_.recorder, std::move(event));
  }

  volume_binder_settings s_;
  reflector volumes_, claims_, classes_, pods_;
  volume_rules::picture seen_;
  std::set<std::string> read_; ///< resources whose first list is here
  std::map<object_key, pod_claims> users_;
  std::set<object_key> asked_;
  std::map<object_key, std::pair<volume_rules::notice, clock_time>> told_;
  bool look_pending_ = false, default_class_judged_ = false;
};

} // namespace

volume_binder_actor spawn_volume_binder(caf::actor_system& system, env_ptr env,
                                        volume_binder_settings settings) {
  return system.spawn<volume_binder>(std::move(env), std::move(settings));
}

} // namespace podium
