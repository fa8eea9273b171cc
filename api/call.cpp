#include "api/call.hpp"

#include "api/gzip.hpp"
#include "api/watch.hpp"
#include "api/yaml_text.hpp"

namespace podium::api {
namespace {

/// A Warning header's quoted-string: no control characters, quotes and backslashes escaped.
std::string quote(std::string_view text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c < 0x20 || c == 0x7f ? ' ' : static_cast<char>(c);
  }
  return out + '"';
}

constexpr size_t max_warnings = 50;
constexpr size_t max_warning_bytes = 4096;

} // namespace

void page_cache::keep(std::string_view resource, const snapshot_ptr& snapshot) {
  entries_.remove_if([&](auto& e) {
    return e.resource == resource && e.snapshot->resource_version() == snapshot->resource_version();
  });
  entries_.push_front({std::string{resource}, snapshot, std::chrono::steady_clock::now()});
  if (entries_.size() > limit_) entries_.pop_back();
  if (timer_ == 0) timer_ = loop_.after(time_, [this] { let_go(); });
}

void page_cache::let_go() {
  timer_ = 0;
  auto now = std::chrono::steady_clock::now();
  std::erase_if(entries_, [&](auto& e) { return now - e.kept >= time_; });
  if (entries_.empty()) return;
  timer_ = loop_.after(time_ - (now - entries_.back().kept), [this] { let_go(); });
}

page_cache::~page_cache() {
  if (timer_ != 0) loop_.cancel(timer_);
}

snapshot_ptr page_cache::find(std::string_view resource, uint64_t version) const {
  for (auto& e : entries_)
    if (e.resource == resource && e.snapshot->resource_version() == version) return e.snapshot;
  return nullptr;
}

server_state::server_state(server_parts p, server_settings s)
    : parts(std::move(p)), settings(std::move(s)),
      to_registry(parts.system, parts.env, parts.loop, parts.registry, settings.write_timeout),
      turns(std::make_shared<write_turns>(parts.loop, settings.write_timeout)),
      pages(parts.loop, settings.page_time),
      hub(std::make_shared<watch_hub>(parts.loop, parts.view, parts.wall_now)) {
  if (parts.usage) meter = std::make_unique<usage_meter>(parts.loop, parts.usage);
}

server_state::~server_state() = default;

header_list call::headers() const {
  header_list out;
  size_t bytes = 0;
  for (auto& w : warnings) {
    auto text = quote(w);
    bytes += text.size();
    if (out.size() >= max_warnings || bytes > max_warning_bytes) break;
    out.emplace_back("Warning", "299 - " + text);
  }
  return out;
}

/// A stored object nests 200 deep at most; a list adds to that.
constexpr size_t rendered_depth = 256;

void guarded(const call_ptr& c, const std::function<void()>& f) {
  try {
    f();
  } catch (const std::exception& e) {
    if (c->exchange->is_open()) c->fail(internal_error(e.what()));
  }
}

void ask_registry(const call_ptr& c, registry_request request, gateway::answer done) {
  c->state->to_registry.call(std::move(request),
                             [c, done = std::move(done)](caf::expected<delete_result> result) {
                               guarded(c, [&] { done(std::move(result)); });
                             });
}

void call::answer(int status, std::string body, std::string_view content_type) {
  auto list = headers();
  if (form.yaml && content_type == "application/json") {
    // Made here of what is stored, which may nest deeper than the parser takes by itself.
    body = to_yaml(boost::json::parse(body, {}, {.max_depth = rendered_depth}));
    content_type = "application/yaml";
  }
  if (body.size() >= gzip_from_bytes && takes_gzip(request().headers.get("Accept-Encoding")))
    if (auto small = gzip(body)) {
      list.emplace_back("Content-Encoding", "gzip");
      list.emplace_back("Vary", "Accept-Encoding");
      body = std::move(*small);
    }
  exchange->respond(status, content_type, std::move(body), list);
}

void call::answer_object(int status, const object_ref& obj) {
  bool as_stored = form.form == output_form::object && !form.yaml && !res().convert;
  if (as_stored && obj->json().size() < gzip_from_bytes) {
    std::shared_ptr<const std::string> text(obj.ptr, &obj->json());
    exchange->respond(status, "application/json", std::move(text), headers());
    return;
  }
  answer(status, render_object(res(), *obj, form, state->now()));
}

void call::fail(const failure& f) {
  auto list = headers();
  if (f.retry_after_seconds > 0) list.emplace_back("Retry-After", std::to_string(f.retry_after_seconds));
  if (form.yaml) return exchange->respond(f.code(), "application/yaml", to_yaml(f.status.body), list);
  exchange->respond(f.code(), "application/json", f.json(), list);
}

void call::fail(const caf::error& err, std::string_view name) {
  fail(from_error(err, res(), name.empty() ? std::string_view{to.name} : name));
}

} // namespace podium::api
