// get and list: straight from the latest snapshot.
#include "api/call.hpp"
#include "api/list_options.hpp"
#include "api/selection.hpp"

namespace podium::api {
namespace {

/// `a` is past `b` in the order of lists.
bool is_after(const object_key& a, const page_token& b) {
  return a.ns != b.ns ? a.ns > b.ns : a.name > b.name;
}

struct page {
  std::vector<object_ref> items;
  list_meta meta;
};

/// One page of a snapshot.
page collect(const resource_snapshot& snapshot, const std::string& ns, const selection& select,
             const list_options& options) {
  page out;
  out.meta.resource_version = snapshot.resource_version();
  if (auto* name = select.only_name(); name && !ns.empty()) {
    auto found = snapshot.find(ns, *name);
    if (found && select.matches(*found)) out.items.push_back(found);
    return out;
  }
  auto from = options.page.value_or(page_token{});
  // What is left is told of lists of everything: of one namespace it is counted.
  bool counts = select.empty() && !ns.empty();
  size_t left = 0;
  snapshot.each(ns, from.ns, from.name, [&](const object_ref& ref) {
    if (options.page && !is_after(ref->key(), from)) return true;
    if (!select.empty() && !select.matches(*ref)) return true;
    if (options.limit > 0 && out.items.size() == options.limit) {
      ++left;
      return counts;
    }
    out.items.push_back(ref);
    return true;
  });
  if (left == 0) return out;
  auto& last = out.items.back()->key();
  page_token next{snapshot.resource_version(), last.ns, last.name, from.served + out.items.size()};
  out.meta.continue_token = next.encode();
  if (counts)
    out.meta.remaining = left;
  else if (select.empty() && snapshot.size() > next.served)
    out.meta.remaining = snapshot.size() - next.served;
  return out;
}

/// The snapshot of a page is gone: the answer carries a token for the rest as it is by then.
failure page_expired(page_token token) {
  auto f =
      expired("The provided continue parameter is too old to display a consistent list result. You can start "
              "a new list without the continue parameter, or use the continue token in this response to "
              "retrieve the remainder of the results. Continuing with the provided token results in an "
              "inconsistent list - objects that were created, modified, or deleted between the time the "
              "first chunk was returned and now may show up in the list.");
  token.resource_version = 0;
  f.status.body.as_object()["metadata"] = {{"continue", token.encode()}};
  return f;
}

/// The snapshot a list is to be read from; null after a refusal was sent.
snapshot_ptr snapshot_for(const call_ptr& c, const list_options& options) {
  auto& pages = c->state->pages;
  auto resource = c->res().stored_as;
  auto latest = c->snapshot();
  if (options.page) {
    auto wanted = options.page->resource_version;
    if (wanted == 0 || wanted == latest->resource_version()) return latest;
    auto kept = pages.find(resource, wanted);
    if (!kept) c->fail(page_expired(*options.page));
    return kept;
  }
  auto wanted = options.resource_version.value_or(0);
  if (wanted > latest->resource_version()) {
    failure f{config::make_status(504, "Timeout",
                                  "Too large resource version: " + std::to_string(wanted)
                                      + ", current: " + std::to_string(latest->resource_version()))};
    f.retry_after_seconds = 1;
    c->fail(f);
    return nullptr;
  }
  if (options.match == version_match::exact && wanted != latest->resource_version()) {
    auto kept = pages.find(resource, wanted);
    if (!kept) c->fail(expired("The resourceVersion for the provided list is too old."));
    return kept;
  }
  return latest;
}

} // namespace

void serve_get(const call_ptr& c) {
  auto found = c->snapshot()->find(c->to.ns, c->to.name);
  if (!found) return c->fail(not_found(c->res(), c->to.name));
  c->answer_object(200, found);
}

void serve_list(const call_ptr& c) {
  auto select = parse_selection(c->res(), c->query());
  if (!select) return c->fail(select.error());
  auto parsed = parse_list_options(c->query());
  if (auto* f = std::get_if<failure>(&parsed)) return c->fail(*f);
  auto& options = std::get<list_options>(parsed);
  auto snapshot = snapshot_for(c, options);
  if (!snapshot) return;
  auto out = collect(*snapshot, c->to.ns, *select, options);
  if (!out.meta.continue_token.empty()) c->state->pages.keep(c->res().stored_as, snapshot);
  c->answer(200, render_list(c->res(), out.items, out.meta, c->form, c->state->now()));
}

} // namespace podium::api
