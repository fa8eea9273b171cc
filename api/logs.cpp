// pods/log.
#include "api/list_options.hpp"
#include "api/pod_target.hpp"
#include "api/read_stream.hpp"

namespace podium::api {
namespace {

/// A log on its way to a client: the reading pauses while the connection is full.
class log_transfer : public std::enable_shared_from_this<log_transfer> {
public:
  explicit log_transfer(call_ptr c) : call_(std::move(c)) {}

  void start(const container_target& target, const log_options& options) {
    auto& state = *call_->state;
    state.live.insert(shared_from_this());
    ++state.stats.log_streams;
    std::weak_ptr<log_transfer> weak = weak_from_this();
    read_stream::events to_client;
    to_client.on_gone = [weak] {
      if (auto self = weak.lock()) self->leave();
    };
    to_client.on_room = [weak] {
      if (auto self = weak.lock(); self && self->reading_) self->reading_->resume();
    };
    out_ = read_stream::make(call_, std::move(to_client));
    log_events events;
    events.on_open = [weak](const caf::error& err) {
      if (auto self = weak.lock()) self->opened(err);
    };
    events.on_data = [weak](std::string_view data) {
      if (auto self = weak.lock()) self->data(data);
    };
    events.on_end = [weak] {
      if (auto self = weak.lock()) self->ended();
    };
    reading_ = state.parts.streams->open_log(target, options, std::move(events));
  }

private:
  void opened(const caf::error& err) {
    if (!err) {
      if (!out_->open("text/plain", framing::bytes)) leave();
      return;
    }
    auto self = shared_from_this();
    leave();
    // The container is known and has run: what is missing is its log.
    call_->fail(code_of(err) == errc::not_found ? bad_request(message_of(err))
                                                : failure{config::make_status(err)});
  }
  void data(std::string_view bytes) {
    if (!out_->write(bytes) && reading_) reading_->pause();
  }
  void ended() {
    auto self = shared_from_this();
    leave();
    out_->end();
  }
  void leave() {
    if (std::exchange(left_, true)) return;
    auto self = shared_from_this();
    // The reading may be what is calling: it goes when the loop has come round.
    call_->state->parts.loop.post([reading = std::shared_ptr<log_reading>(std::move(reading_))] {});
    --call_->state->stats.log_streams;
    call_->state->live.erase(self);
  }

  const call_ptr call_;
  std::shared_ptr<read_stream> out_;
  std::unique_ptr<log_reading> reading_;
  bool left_ = false;
};

outcome<log_options> read_options(const call& c) {
  auto& query = c.query();
  log_options out;
  out.follow = query.flag("follow");
  out.previous = query.flag("previous");
  out.timestamps = query.flag("timestamps");
  config::field_causes causes;
  auto number = [&](std::string_view name, int64_t least, std::string_view why) -> std::optional<int64_t> {
    auto n = parse_number(query, name);
    if (!n) {
      causes.invalid(std::string{name}, boost::json::value(query.get(name).value_or("")),
                     "must be a whole number");
      return {};
    }
    if (*n && **n < least) causes.invalid(std::string{name}, boost::json::value(**n), why);
    return *n;
  };
  out.tail_lines = number("tailLines", 0, "must be greater than or equal to 0");
  out.limit_bytes = number("limitBytes", 1, "must be greater than 0");
  auto since_seconds = number("sinceSeconds", 1, "must be greater than 0");
  auto since_time = query.get("sinceTime").value_or("");
  if (since_seconds && !since_time.empty())
    causes.forbidden("sinceSeconds", "at most one of `sinceTime` or `sinceSeconds` may be specified");
  // Beyond a nanosecond clock's reach everything is recent.
  constexpr int64_t longest = 9'000'000'000;
  if (since_seconds && *since_seconds < longest)
    out.since = c.state->now() - std::chrono::seconds{*since_seconds};
  if (!since_time.empty()) {
    out.since = parse_rfc3339(since_time);
    if (!out.since)
      causes.invalid("sinceTime", boost::json::value(since_time), "must be a time as RFC 3339 has it");
  }
  if (!causes.empty())
    return failure{config::make_invalid_status({c.to.name, "", "PodLogOptions", ""}, causes)};
  return out;
}

} // namespace

void serve_log(const call_ptr& c) {
  auto& state = *c->state;
  auto found = c->snapshot()->find(c->to.ns, c->to.name);
  if (!found) return c->fail(not_found(c->res(), c->to.name));
  auto options = read_options(*c);
  if (auto* f = std::get_if<failure>(&options)) return c->fail(*f);
  auto& log = std::get<log_options>(options);
  auto& p = found->as_pod();
  auto container = choose_container(p, c->query().get("container").value_or(""));
  if (auto* f = std::get_if<failure>(&container)) return c->fail(*f);
  auto& name = std::get<std::string>(container);
  // A pod without a node has no log yet, which is no mistake.
  if (p.spec.node_name.empty()) return c->answer(200, "", "text/plain");
  auto instance = choose_logged_instance(p, name, log.previous);
  if (auto* f = std::get_if<failure>(&instance)) return c->fail(*f);
  log.container_id = std::get<std::string>(instance);
  if (!state.parts.streams) return c->fail(unavailable("this server runs no containers"));
  if (state.stats.log_streams >= state.settings.max_log_streams)
    return c->fail(too_many_requests("too many logs are being read, please try again later", 1));
  std::make_shared<log_transfer>(c)->start({found->uid(), c->to.ns, c->to.name, name}, log);
}

} // namespace podium::api
