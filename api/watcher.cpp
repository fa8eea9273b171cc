#include "api/watcher.hpp"

#include "api/body.hpp"
#include "api/list_options.hpp"

namespace podium::api {
namespace {

namespace json = boost::json;

constexpr size_t initial_batch = 256;

struct initial_mode {
  bool initial = false, mark = false;
};

/// sendInitialEvents and its conditions. Source: validation of metav1.ListOptions.
outcome<initial_mode> initial_of(const call& c);

} // namespace

watcher::watcher(call_ptr c, selection select, watch_options options)
    : call_(std::move(c)), select_(std::move(select)), options_(options), cursor_(options.since),
      columns_due_(call_->form.form == output_form::table) {}

void watcher::start() {
  auto self = shared_from_this();
  auto& hub = *call_->state->hub;
  read_stream::events events;
  events.on_gone = [weak = weak_from_this()] {
    if (auto w = weak.lock()) w->detach();
  };
  events.on_room = [weak = weak_from_this()] {
    if (auto w = weak.lock()) {
      w->full_ = false;
      w->pump();
    }
  };
  out_ = read_stream::make(call_, std::move(events));
  // Not begun, so that there is nothing to be detached from.
  if (!out_->open("application/json", framing::lines)) {
    done_ = true;
    return;
  }
  hub.add(call_->res().stored_as, self);
  end_timer_ = hub.loop().after(options_.time, [weak = weak_from_this()] {
    if (auto w = weak.lock()) {
      w->end_timer_ = 0;
      w->finish();
    }
  });
  if (options_.initial) {
    snapshot_ = call_->snapshot();
    cursor_ = snapshot_->resource_version();
  }
  arm_bookmark();
  pump();
}

void watcher::pump() {
  if (done_ || full_ || pumping_) return;
  pumping_ = true;
  bool more = write_initial() && write_events();
  (void)more;
  pumping_ = false;
}

/// False when the connection is full.
bool watcher::write_initial() {
  while (snapshot_) {
    std::vector<object_ref> items;
    snapshot_->each(call_->to.ns, from_ns_, from_name_, [&](const object_ref& ref) {
      bool sent = begun_ && ref->key().ns == from_ns_ && ref->key().name == from_name_;
      if (!sent) items.push_back(ref);
      return items.size() < initial_batch;
    });
    if (items.empty()) {
      snapshot_.reset();
      if (options_.initial_mark) bookmark(true);
      break;
    }
    for (auto& ref : items) {
      from_ns_ = ref->key().ns;
      from_name_ = ref->key().name;
      begun_ = true;
      if (!select_.matches(*ref)) continue;
      if (!write(std::make_shared<const std::string>(first_line("ADDED", *ref)))) return false;
    }
  }
  return !done_;
}

bool watcher::write_events() {
  auto& hub = *call_->state->hub;
  while (!done_) {
    auto version = hub.view().resource_version();
    auto events = hub.events_after(call_->res().stored_as, cursor_);
    if (!events) {
      lost();
      return false;
    }
    if (events->empty()) {
      // Nothing of this resource up to here: a bookmark may say so.
      cursor_ = std::max(cursor_, version);
      return true;
    }
    for (auto& event : *events) {
      cursor_ = event.resource_version;
      if (!write_one(event)) return false;
    }
  }
  return false;
}

/// False when the connection is full; the event was taken then.
bool watcher::write_one(const watch_event& event) {
  if (!call_->to.ns.empty() && event.object->key().ns != call_->to.ns) return true;
  auto as = seen_as::nothing;
  if (select_.empty()) {
    as = event.type == watch_type::added      ? seen_as::added
         : event.type == watch_type::modified ? seen_as::modified
                                              : seen_as::deleted;
  } else {
    bool now = event.type != watch_type::deleted && select_.matches(*event.object);
    bool before = event.previous ? select_.matches(*event.previous)
                                 : event.type != watch_type::added && select_.matches(*event.object);
    as = seen_through(event.type, before, now);
  }
  if (as == seen_as::nothing) return true;
  auto line = call_->state->hub->line(call_->res(), event, as, call_->form);
  if (columns_due_) {
    // The first table of a stream names its columns; it is this watcher's own.
    auto type = as == seen_as::added ? "ADDED" : as == seen_as::modified ? "MODIFIED" : "DELETED";
    line = std::make_shared<const std::string>(first_line(type, *shown_object(event, as)));
  }
  return write(std::move(line));
}

std::string watcher::first_line(std::string_view type, const object& obj) {
  return watch_line(call_->res(), type, obj, call_->form, call_->state->now(),
                    std::exchange(columns_due_, false));
}

bool watcher::write(std::shared_ptr<const std::string> line) {
  if (done_) return false;
  if (out_->write(std::move(line))) return true;
  full_ = true;
  return false;
}

void watcher::bookmark(bool end_of_initial) {
  json::object meta{{"resourceVersion", std::to_string(cursor_)}, {"creationTimestamp", nullptr}};
  if (end_of_initial) meta["annotations"] = {{"k8s.io/initial-events-end", "true"}};
  json::object object;
  if (call_->form.form == output_form::object) {
    object = {{"kind", call_->res().kind}, {"apiVersion", call_->res().group_version()}, {"metadata", meta}};
  } else {
    json::object partial{
        {"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}, {"metadata", std::move(meta)}};
    if (call_->form.form == output_form::partial)
      object = std::move(partial);
    else
      object = {{"kind", "Table"},
                {"apiVersion", "meta.k8s.io/v1"},
                {"metadata", {{"resourceVersion", std::to_string(cursor_)}}},
                {"columnDefinitions", json::array{}},
                {"rows", json::array{{{"cells", json::array{}}, {"object", std::move(partial)}}}}};
  }
  bookmarked_ = cursor_;
  write(std::make_shared<const std::string>(
      json::serialize(json::object{{"type", "BOOKMARK"}, {"object", std::move(object)}}) + "\n"));
}

void watcher::arm_bookmark() {
  if (!options_.bookmarks) return;
  auto& state = *call_->state;
  bookmark_timer_ = state.hub->loop().after(state.settings.bookmark_period, [weak = weak_from_this()] {
    auto w = weak.lock();
    if (!w || w->done_) return;
    w->bookmark_timer_ = 0;
    w->pump(); // brings the cursor up to date
    if (!w->full_ && !w->done_ && !w->snapshot_ && w->cursor_ != w->bookmarked_) w->bookmark(false);
    w->arm_bookmark();
  });
}

/// The history has gone on without this watcher.
void watcher::lost() {
  auto text = "too old resource version: " + std::to_string(cursor_) + " ("
              + std::to_string(call_->state->parts.view.resource_version()) + ")";
  json::object event{{"type", "ERROR"}, {"object", expired(text).status.body}};
  out_->write(std::make_shared<const std::string>(json::serialize(event) + "\n"));
  options_.bookmarks = false;
  finish();
}

void watcher::finish() {
  if (done_) return;
  if (options_.bookmarks && !full_ && !snapshot_) bookmark(false);
  auto out = out_;
  detach();
  out->end();
}

void watcher::detach() {
  if (done_) return;
  done_ = true;
  snapshot_.reset();
  auto& hub = *call_->state->hub;
  hub.loop().cancel(end_timer_);
  if (bookmark_timer_) hub.loop().cancel(bookmark_timer_);
  hub.remove(call_->res().stored_as, shared_from_this());
}

namespace {

outcome<initial_mode> initial_of(const call& c) {
  auto& query = c.query();
  auto match = query.get("resourceVersionMatch").value_or("");
  bool asked = query.has("sendInitialEvents");
  config::field_causes causes;
  constexpr auto field = "resourceVersionMatch";
  if (asked && match != "NotOlderThan")
    causes.forbidden(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  if (!match.empty()) {
    if (!asked)
      causes.forbidden(field,
                       "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    if (match != "NotOlderThan") causes.not_supported(field, match, {"NotOlderThan"});
    if (!query.get("continue").value_or("").empty())
      causes.forbidden(field, "resourceVersionMatch is forbidden when continue is provided");
  }
  if (!causes.empty()) return invalid_list_options(causes);
  if (!asked) return initial_mode{};
  bool wanted = query.flag("sendInitialEvents");
  // Without bookmarks there is nothing that could carry the mark.
  return initial_mode{wanted, wanted && query.flag("allowWatchBookmarks")};
}

} // namespace

void serve_watch(const call_ptr& c) {
  auto& state = *c->state;
  if (c->request().method == "HEAD") return c->fail(method_not_allowed());
  if (c->form.yaml) return c->fail(not_acceptable("application/json;stream=watch"));
  auto select = parse_selection(c->res(), c->query());
  if (!select) return c->fail(select.error());
  if (!c->to.name.empty()) {
    auto narrowed = config::parse_field_selector(c->res().qualified(), "metadata.name=" + c->to.name);
    if (!narrowed) return c->fail(narrowed.error());
    for (auto& requirement : narrowed->requirements)
      select->fields.requirements.push_back(requirement);
  }
  auto mode = initial_of(*c);
  if (auto* f = std::get_if<failure>(&mode)) return c->fail(*f);
  auto version = parse_resource_version(c->query());
  if (!version) return c->fail(version.error());
  auto seconds = parse_number(c->query(), "timeoutSeconds");
  if (!seconds) return c->fail(seconds.error());
  if (state.hub->size() >= state.settings.max_watches)
    return c->fail(too_many_requests("too many watches, please try again later", 1));
  watch_options options;
  options.since = version->value_or(0);
  options.initial =
      c->query().has("sendInitialEvents") ? std::get<initial_mode>(mode).initial : options.since == 0;
  // "From now on": nothing of the past was asked for.
  if (options.since == 0 && !options.initial) options.since = state.parts.view.resource_version();
  options.initial_mark = std::get<initial_mode>(mode).mark;
  options.bookmarks = c->query().flag("allowWatchBookmarks");
  options.time = state.settings.default_watch_time;
  if (seconds->value_or(0) > 0) options.time = std::chrono::seconds{std::min<int64_t>(**seconds, 24 * 3600)};
  if (options.since > state.parts.view.resource_version()) {
    failure f{config::make_status(504, "Timeout",
                                  "Too large resource version: " + std::to_string(options.since)
                                      + ", current: " + std::to_string(state.parts.view.resource_version()))};
    f.retry_after_seconds = 1;
    return c->fail(f);
  }
  std::make_shared<watcher>(c, std::move(*select), options)->start();
}

} // namespace podium::api
