#include "actors/registry.hpp"

#include "actors/registry_batch.hpp"
#include "core/base_actor.hpp"

#include <deque>
#include <set>

namespace podium {
namespace {

using namespace std::chrono_literals;

constexpr auto store_timeout = 30s;
constexpr auto watch_wait = 30s; ///< after which an idle watch_next is answered empty
constexpr auto bootstrap_retry = 5s;
/// How long writes that may wait do so for company: a commit of their own would be one more turn of the disk,
/// and what is urgent would wait for its end.
constexpr auto longest_hold = 20ms;
constexpr size_t max_held = 8;
constexpr size_t max_queued = 10'000, max_watches = 10'000;
constexpr size_t max_batch_requests = 512, max_batch_bytes = 8 * 1024 * 1024;
/// Versions are reserved on disk in blocks, so that volatile objects need no commit each and no version comes
/// twice after a restart.
constexpr uint64_t version_block = 10'000;
constexpr auto mark_row = "/podium/version-mark";
constexpr std::array first_namespaces{"default", "kube-node-lease", "kube-public", "kube-system"};

class registry : public base_actor<registry_actor> {
public:
  registry(caf::actor_config& cfg, env_ptr actor_env, registry_settings settings)
      : base_actor(cfg, std::move(actor_env), "registry"), settings_(std::move(settings)),
        random_(env()->stream("registry")) {}

protected:
  /// All state survives an exception: what was judged stands, and a commit under way is asked for again.
  void on_start() override {
    retry_bootstrap_ = hold_ = 0;
    overdue_ = false;
    for (auto& [resource, list] : watches_)
      for (auto& w : list)
        w.deadline = at(w.until, [this, resource = resource, id = w.id] { end_watch(resource, id); });
    if (!loaded_)
      load();
    else if (in_flight_)
      commit();
    else
      pump();
  }

  void ended() override {
    queue_.clear();
    early_.clear();
    watches_.clear();
    in_flight_.reset();
    settings_ = {};
  }

  behavior_type handlers() override {
    return {[this](create_object& r) { return write<object_ref>(std::move(r)); },
            [this](update_object& r) { return write<object_ref>(std::move(r)); },
            [this](put_status& r) { return write<object_ref>(std::move(r)); },
            [this](bind_pod& r) { return write<object_ref>(std::move(r)); },
            [this](delete_object& r) { return write<delete_result>(std::move(r)); },
            [this](list_objects& r) {
              auto promise = make_response_promise<object_list>();
              once_loaded(promise, [this, promise, r = std::move(r)]() mutable { promise.deliver(list(r)); });
              return promise;
            },
            [this](watch_next& r) {
              auto promise = make_response_promise<watch_batch>();
              once_loaded(promise, [this, promise, r = std::move(r)]() mutable { watch(r, promise); });
              return promise;
            }};
  }

private:
  struct queued_write {
    write_request request;
    caf::response_promise promise;
    bool is_delete = false;
  };
  struct answer {
    caf::response_promise promise;
    write_result result;
    caf::error error;
    bool is_delete = false;
  };
  /// A batch whose commit is under way.
  struct commit_under_way {
    std::vector<watch_event> events;
    store_commit rows;
    uint64_t version = 0, reserved = 0;
    std::vector<answer> answers;
  };
  struct waiting_watch {
    uint64_t id;
    watch_next request;
    caf::typed_response_promise<watch_batch> promise;
    clock_time until;
    deadline_set::id deadline = 0;
  };

  // -- start

  void load() {
    ask(
        settings_.store, store_timeout, [this](const store_rows& rows) { loaded(rows); },
        [this](const caf::error&) {
          load_retry_ = std::min(load_retry_ * 2, nanoseconds{10s});
          after(load_retry_, [this] { load(); });
        },
        store_range{"/registry/"});
  }

  void loaded(const store_rows& rows) {
    table_.clear();
    std::vector<object_ref> objects;
    version_ = reserved_ = rows.revision;
    for (auto& row : rows.rows) {
      auto key = object_key_of_row(row.key);
      boost::system::error_code ec;
      boost::json::parse_options options;
      options.max_depth = 200;
      auto document = boost::json::parse(row.value, ec, {}, options);
      if (!key || ec || !document.is_object()) {
        if (settings_.log)
          settings_.log("registry: stored row " + row.key + " cannot be read; it is left out");
        continue;
      }
      objects.push_back({std::make_shared<const object>(*key, row.revision, std::move(document))});
      table_.put(objects.back());
    }
    settings_.view->load(std::move(objects), version_);
    loaded_ = true;
    bootstrap();
    for (auto& f : std::exchange(early_, {}))
      f();
    pump();
  }

  /// The namespaces that every cluster has; asked for again if the disk refused them.
  void bootstrap() {
    for (auto* name : first_namespaces)
      if (object_key key{"namespaces", "", name}; !table_.find(key))
        queue_.push_front(
            {create_object{key, make_document(registry_rules::namespace_document(name))}, {}, false});
    pump();
  }

  template <class Promise>
  void once_loaded(Promise promise, std::function<void()> f) {
    if (loaded_) return f();
    if (early_.size() < max_queued)
      early_.push_back(std::move(f));
    else
      promise.deliver(behind());
  }

  static caf::error behind() { return make_error(errc::unavailable, "the registry is too far behind"); }

  // -- writing

  template <class Reply, class Request>
  caf::typed_response_promise<Reply> write(Request request) {
    auto promise = make_response_promise<Reply>();
    if (queue_.size() >= max_queued) {
      promise.deliver(behind());
      return promise;
    }
    queue_.push_back({std::move(request), promise, std::is_same_v<Reply, delete_result>});
    pump();
    return promise;
  }

  /// Judges what waits, as one batch on top of what is committed. While a commit is under way requests wait:
  /// so nothing is ever judged on a write that may still fail, but for those in its own batch.
  void pump() {
    while (loaded_ && !in_flight_ && !queue_.empty()) {
      if (held_back()) return;
      cancel(hold_);
      write_batch batch{table_, version_, wall_now(), random_};
      std::vector<answer> answers;
      // Volatile writes go alone: a disk that refuses the others must not stop heartbeats.
      auto volatile_ones = is_volatile(queue_.front().request);
      for (size_t n = 0; !queue_.empty() && n < max_batch_requests && batch.bytes() < max_batch_bytes
                         && is_volatile(queue_.front().request) == volatile_ones;
           ++n) {
        auto next = std::move(queue_.front());
        queue_.pop_front();
        judge(batch, next, answers);
      }
      dispatch(batch, std::move(answers));
    }
  }

  /// Whether nothing that waits is urgent and none of it has waited long: it goes with what comes next.
  bool held_back() {
    if (overdue_ || queue_.size() > max_held) return false;
    if (!std::all_of(queue_.begin(), queue_.end(), [](auto& q) { return may_wait(q.request); })) return false;
    if (hold_ == 0)
      hold_ = after(longest_hold, [this] {
        hold_ = 0;
        overdue_ = true;
        pump();
        overdue_ = false;
      });
    return true;
  }

  void judge(write_batch& batch, queued_write& next, std::vector<answer>& answers) {
    answer out{next.promise, {}, {}, next.is_delete};
    auto independent = false;
    try {
      auto judged = batch.judge(next.request);
      independent = judged.independent;
      if (judged.result)
        out.result = std::move(*judged.result);
      else
        out.error = judged.result.error();
    } catch (const std::exception& e) {
      out.error = make_error(errc::internal, std::string{"registry: "} + e.what());
    }
    if (independent)
      reply(out);
    else
      answers.push_back(std::move(out));
  }

  void dispatch(write_batch& batch, std::vector<answer> answers) {
    if (batch.events().empty()) {
      for (auto& a : answers)
        reply(a);
      return;
    }
    in_flight_ = std::make_unique<commit_under_way>();
    auto& c = *in_flight_;
    c.events = batch.events();
    c.rows.rows = std::move(batch.rows());
    c.version = batch.version();
    c.reserved = reserved_;
    c.answers = std::move(answers);
    if (c.version > reserved_) {
      c.reserved = c.version + version_block;
      c.rows.rows.push_back({mark_row, std::to_string(c.reserved), c.reserved});
    }
    if (c.rows.rows.empty()) return finish();
    commit();
  }

  void commit() {
    ask(
        settings_.store, store_timeout,
        [this](const ack&) {
          finish();
          pump();
        },
        [this](const caf::error& err) {
          // Without an answer nobody knows whether it was stored. The same rows again do no harm.
          if (code_of(err) == errc::timeout) return commit();
          fail(err);
          pump();
        },
        in_flight_->rows);
  }

  void finish() {
    auto stored = std::move(in_flight_);
    version_ = stored->version;
    reserved_ = stored->reserved;
    std::set<std::string> resources;
    for (auto& event : stored->events) {
      if (event.type == watch_type::deleted)
        table_.erase(event.object->key());
      else
        table_.put(event.object);
      settings_.view->publish(event);
      resources.insert(event.object->key().resource);
    }
    for (auto& a : stored->answers)
      reply(a);
    for (auto& resource : resources)
      wake(resource);
  }

  /// After an I/O error the versions are not given out again: a disk may come back with what it refused. A
  /// full one never took them; using them up would in the end stop the volatile objects, too.
  void fail(const caf::error& err) {
    auto failed = std::move(in_flight_);
    if (code_of(err) != errc::no_space) version_ = failed->version;
    for (auto& a : failed->answers) {
      a.error = err;
      reply(a);
    }
    if (retry_bootstrap_ == 0)
      retry_bootstrap_ = after(bootstrap_retry, [this] {
        retry_bootstrap_ = 0;
        bootstrap();
      });
  }

  void reply(answer& a) {
    if (!a.promise.pending()) return;
    if (a.error)
      a.promise.deliver(std::move(a.error));
    else if (a.is_delete)
      a.promise.deliver(delete_result{std::move(a.result.object), a.result.removed});
    else
      a.promise.deliver(std::move(a.result.object));
  }

  // -- reading

  object_list list(const list_objects& request) const {
    auto snapshot = settings_.view->snapshot(request.resource);
    object_list out;
    out.resource_version = snapshot->resource_version();
    if (request.ns.empty()) out.items.reserve(snapshot->size());
    snapshot->each(request.ns, "", "", [&](const object_ref& ref) {
      out.items.push_back(ref);
      return true;
    });
    return out;
  }

  void watch(const watch_next& request, caf::typed_response_promise<watch_batch> promise) {
    if (answer_watch(request, promise, false)) return;
    auto& list = watches_[request.resource];
    if (list.size() >= max_watches) {
      promise.deliver(make_error(errc::too_many_requests, "too many watches of " + request.resource));
      return;
    }
    auto id = ++last_watch_;
    auto until = now() + watch_wait;
    auto deadline = at(until, [this, resource = request.resource, id] { end_watch(resource, id); });
    list.push_back({id, request, std::move(promise), until, deadline});
  }

  /// Answers if there is something to say, or if it `must`.
  bool answer_watch(const watch_next& r, caf::typed_response_promise<watch_batch>& promise, bool must) {
    auto current = settings_.view->resource_version();
    auto limit = std::max<size_t>(r.limit, 1);
    auto events = settings_.view->events_after(r.resource, r.since, limit);
    // A version from the future is one of another life of the cluster: list again, too.
    if (!events || r.since > current) {
      promise.deliver(make_error(errc::expired, "too old resource version: " + std::to_string(r.since) + " ("
                                                    + std::to_string(current) + ")"));
      return true;
    }
    if (events->empty() && !must) return false;
    auto next = events->size() < limit ? current : events->back().resource_version;
    promise.deliver(watch_batch{std::move(*events), next});
    return true;
  }

  void wake(const std::string& resource) {
    auto i = watches_.find(resource);
    if (i == watches_.end()) return;
    std::erase_if(i->second, [&](waiting_watch& w) {
      if (!answer_watch(w.request, w.promise, false)) return false;
      cancel(w.deadline);
      return true;
    });
  }

  void end_watch(const std::string& resource, uint64_t id) {
    auto i = watches_.find(resource);
    if (i == watches_.end()) return;
    std::erase_if(i->second,
                  [&](waiting_watch& w) { return w.id == id && answer_watch(w.request, w.promise, true); });
  }

  registry_settings settings_;
  random_stream random_;
  object_table table_;
  bool loaded_ = false;
  nanoseconds load_retry_ = 500ms;
  uint64_t version_ = 0;  ///< the last one given out
  uint64_t reserved_ = 0; ///< the store's mark: versions up to here may be given out
  std::deque<queued_write> queue_;
  std::unique_ptr<commit_under_way> in_flight_;
  std::vector<std::function<void()>> early_;
  std::map<std::string, std::vector<waiting_watch>> watches_;
  uint64_t last_watch_ = 0;
  deadline_set::id retry_bootstrap_ = 0;
  deadline_set::id hold_ = 0; ///< when what waits for company has waited long enough
  bool overdue_ = false;
};

} // namespace

registry_actor spawn_registry(caf::actor_system& system, env_ptr env, registry_settings settings) {
  return system.spawn<registry>(std::move(env), std::move(settings));
}

} // namespace podium
