// One request on its way through the API, and the state all requests share. Internal to api/.
#pragma once
#include "api/gateway.hpp"
#include "api/openapi.hpp"
#include "api/output.hpp"
#include "api/route.hpp"
#include "api/server.hpp"
#include "api/status.hpp"
#include "api/usage_meter.hpp"
#include "api/write_turns.hpp"

#include <atomic>
#include <list>
#include <set>

namespace podium::api {

class watch_hub;

/// Recent lists, kept so that their next pages come from the same snapshot.
class page_cache {
public:
  /// What is kept is let go after `time`: a snapshot holds all that has changed since.
  page_cache(event_loop& loop, nanoseconds time) : loop_(loop), time_(time) {}
  ~page_cache();
  void keep(std::string_view resource, const snapshot_ptr& snapshot);
  snapshot_ptr find(std::string_view resource, uint64_t version) const;

private:
  struct entry {
    std::string resource;
    snapshot_ptr snapshot;
    std::chrono::steady_clock::time_point kept;
  };
  void let_go();

  static constexpr size_t limit_ = 64;
  event_loop& loop_;
  const nanoseconds time_;
  uint64_t timer_ = 0;
  std::list<entry> entries_; ///< newest first
};

/// What every request may use. Loop thread only, but for `ready` and the view.
class server_state : public std::enable_shared_from_this<server_state> {
public:
  server_state(server_parts parts, server_settings settings);
  ~server_state();

  server_parts parts;
  const server_settings settings;
  gateway to_registry;
  const std::shared_ptr<write_turns> turns;
  page_cache pages;
  openapi_documents openapi;
  std::unique_ptr<usage_meter> meter; ///< null without a usage_source
  std::shared_ptr<watch_hub> hub;
  std::atomic<bool> ready{true};
  server_stats stats;
  /// Log readings and sessions: each leaves when it ends.
  std::set<std::shared_ptr<void>> live;
  bool stopping = false;

  wall_time now() const { return parts.wall_now(); }
};

/// One request. Kept alive by whoever still has to answer it.
class call : public std::enable_shared_from_this<call> {
public:
  call(std::shared_ptr<server_state> s, std::shared_ptr<http_exchange> e)
      : state(std::move(s)), exchange(std::move(e)) {}

  const std::shared_ptr<server_state> state;
  const std::shared_ptr<http_exchange> exchange;
  route to;
  user_info user;
  output form;
  std::vector<std::string> warnings;
  int method_status = 200; ///< of a success: 201 for creates

  const http_request& request() const { return exchange->request(); }
  const http_query& query() const { return exchange->request().query; }
  const resource& res() const { return *to.res; }
  snapshot_ptr snapshot() const { return state->parts.view.snapshot(res().stored_as); }
  object_key key() const { return {std::string{res().stored_as}, to.ns, to.name}; }

  void answer(int status, std::string body, std::string_view content_type = "application/json");
  /// Plain objects go out as they are stored, without a copy.
  void answer_object(int status, const object_ref& obj);
  void fail(const failure& f);
  void fail(const caf::error& err, std::string_view name = {});
  /// The Warning headers of the answer.
  header_list headers() const;
};

using call_ptr = std::shared_ptr<call>;

/// Runs a step of a request; an exception becomes its answer (500), and never ends the loop.
void guarded(const call_ptr& c, const std::function<void()>& f);
/// Asks the registry for a request; `done` is guarded.
void ask_registry(const call_ptr& c, registry_request request, gateway::answer done);

// -- what comes before the handlers: false when the refusal was sent (authorization.cpp)

/// Whether c.user may do what the request asks for.
bool may_proceed(const call_ptr& c, std::string_view verb);
/// Takes the name over that the request is made in, if the user may.
bool take_other_name(const call_ptr& c);

// -- the handlers, by file

void serve_discovery(const call_ptr& c);         // discovery_routes.cpp
void serve_get(const call_ptr& c);               // read.cpp
void serve_list(const call_ptr& c);              // read.cpp
void serve_watch(const call_ptr& c);             // watch.cpp
void serve_create(const call_ptr& c);            // write.cpp
void serve_update(const call_ptr& c);            // write.cpp
void serve_patch(const call_ptr& c);             // write_patch.cpp
void serve_delete(const call_ptr& c);            // remove.cpp
void serve_delete_collection(const call_ptr& c); // remove.cpp
void serve_binding(const call_ptr& c);           // binding.cpp
void serve_log(const call_ptr& c);               // logs.cpp
void serve_session(const call_ptr& c);           // sessions.cpp
void serve_port_forward(const call_ptr& c);      // port_forward.cpp
void serve_eviction(const call_ptr& c);          // eviction.cpp
void serve_token(const call_ptr& c);             // tokens.cpp
void serve_review(const call_ptr& c);            // reviews.cpp
void serve_metrics(const call_ptr& c);           // metrics.cpp

} // namespace podium::api
