#include "config/yaml.hpp"

#include "config/json.hpp"
#include "core/error.hpp"

#include <cerrno>
#include <cmath>
#include <fcntl.h>
#include <sstream>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace podium::config {
namespace {

source_position position_of(const YAML::Mark& mark) {
  if (mark.line < 0) return {};
  return {static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)};
}

/// Leaves the parser from inside a handler; never leaves this file.
struct refusal : std::runtime_error {
  refusal(const YAML::Mark& mark, const std::string& what)
      : std::runtime_error(what), at(position_of(mark)) {}
  source_position at;
};

struct amounts {
  size_t nodes = 0;
  size_t bytes = 0;
};

void count(const json::value& value, amounts& out) {
  ++out.nodes;
  if (const auto* list = value.if_array()) {
    for (const auto& item : *list)
      count(item, out);
  } else if (const auto* object = value.if_object()) {
    for (const auto& [key, item] : *object) {
      out.bytes += key.size();
      count(item, out);
    }
  } else if (const auto* text = value.if_string()) {
    out.bytes += text->size();
  }
}

/// Keys are text in JSON: numbers and booleans are printed.
std::string key_text(const YAML::Mark& mark, const json::value& key) {
  if (const auto* text = key.if_string()) return std::string{*text};
  if (key.is_null()) throw refusal{mark, "a key is missing in front of the colon"};
  if (key.is_structured()) throw refusal{mark, "a key must be text, not a map or a list"};
  return json::serialize(key);
}

/// What `limits` says of a text with too many values.
std::string too_many_values(const text_limits& limits) {
  return "more than " + std::to_string(limits.nodes)
         + " values (counting brackets and commas) in one YAML text; JSON may hold more";
}

/// The parser reads a whole bracket ahead before it tells anything of it: what might hold too much is refused
/// by its look.
bool looks_too_large(std::string_view text, const text_limits& limits) {
  auto separates = [](char c) { return c == '[' || c == '{' || c == ','; };
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), separates)) > limits.nodes;
}

/// Builds a JSON value of each YAML document.
class document_builder : public YAML::EventHandler {
public:
  document_builder(const text_limits& limits) : limits_(limits) {}

  json::value root;
  place_table places;

  void OnDocumentStart(const YAML::Mark&) override {
    root = nullptr;
    places.clear();
    frames_.clear();
    anchors_.clear();
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { scalar(mark, anchor, nullptr); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto it = anchors_.find(anchor);
    if (it == anchors_.end()) throw refusal{mark, "an alias stands inside of what it refers to"};
    charge(mark, it->second);
    scalar(mark, 0, it->second);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    scalar(mark, anchor, tagged(mark, tag, text), tag == "?" && text == "<<");
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, json::array{});
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, json::object{});
  }
  void OnMapEnd() override { close(); }

  /// What the parser's complaint means; indentation gets a word of its own, being the usual mistake.
  std::string explain(const YAML::Exception& problem) const {
    bool indentation = problem.msg == "end of map not found" || problem.msg == "end of sequence not found";
    if (!indentation) return problem.msg;
    std::string out = "the indentation is wrong: this line belongs to no map or list around it";
    if (last_list_.line >= 0 && last_list_.column == problem.mark.column)
      out += "; it stands in the column of the '-' of the list on line " + std::to_string(last_list_.line + 1)
             + ": indent it like the other keys of its item, or begin a new item with '- '";
    return out;
  }

private:
  struct frame {
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    json::value container;
    std::string path;
    bool has_key = false; ///< a map: the key was read, its value is next
    bool merging = false; ///< that key is <<
    std::string key;
    YAML::Mark key_mark;
    std::vector<json::value> merged;
  };

  static json::value tagged(const YAML::Mark& mark, const std::string& tag, const std::string& text) {
    constexpr std::string_view core = "tag:yaml.org,2002:";
    if (tag == "?") return finite(mark, text);
    auto as_text = json::value(json::string_view{text});
    if (tag == "!" || tag.empty()) return as_text;
    if (!tag.starts_with(core)) throw refusal{mark, "the tag " + tag + " is not supported"};
    auto name = tag.substr(core.size());
    auto resolved = resolve_scalar(text);
    if (name == "str") return as_text;
    if (name == "int" && (resolved.is_int64() || resolved.is_uint64())) return resolved;
    if (name == "float" && resolved.is_number()) return resolved;
    if (name == "bool" && resolved.is_bool()) return resolved;
    if (name == "null" && resolved.is_null()) return resolved;
    throw refusal{mark, "\"" + text + "\" does not fit its tag !!" + name};
  }

  static json::value finite(const YAML::Mark& mark, const std::string& text) {
    for (std::string_view word : {".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF"})
      if (text == word
          || (text.size() == word.size() + 1 && text.ends_with(word) && (text[0] == '-' || text[0] == '+')))
        throw refusal{mark, "the number " + text + " has no place in a Kubernetes object"};
    return resolve_scalar(text);
  }

  void charge(const YAML::Mark& mark, const json::value& value) {
    count(value, expanded_);
    if (expanded_.nodes > limits_.alias_nodes || expanded_.bytes > limits_.alias_bytes)
      throw refusal{mark, "the document's aliases expand to too much (at most "
                              + std::to_string(limits_.alias_nodes) + " values and "
                              + std::to_string(limits_.alias_bytes) + " bytes)"};
  }

  void remember(const YAML::Mark& mark, YAML::anchor_t anchor, const json::value& value) {
    if (anchor == 0) return;
    charge(mark, value);
    anchors_[anchor] = value;
  }

  bool wants_key() const {
    return !frames_.empty() && frames_.back().container.is_object() && !frames_.back().has_key;
  }

  void scalar(const YAML::Mark& mark, YAML::anchor_t anchor, json::value value, bool is_merge_key = false) {
    remember(mark, anchor, value);
    if (wants_key()) {
      auto& top = frames_.back();
      top.has_key = true;
      top.merging = is_merge_key;
      top.key_mark = mark;
      top.key = is_merge_key ? "<<" : key_text(mark, value);
      return;
    }
    add(mark, next_path(), std::move(value));
  }

  std::string next_path() const {
    if (frames_.empty()) return {};
    const auto& top = frames_.back();
    if (const auto* list = top.container.if_array()) return join_path(top.path, list->size());
    return join_path(top.path, top.key);
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, json::value container) {
    if (frames_.size() >= limits_.depth)
      throw refusal{mark, "the document is nested deeper than " + std::to_string(limits_.depth) + " levels"};
    if (wants_key()) throw refusal{mark, "a key must be text, not a map or a list"};
    frame next;
    next.path = next_path();
    next.mark = mark;
    next.anchor = anchor;
    next.container = std::move(container);
    frames_.push_back(std::move(next));
  }

  void close() {
    auto done = std::move(frames_.back());
    frames_.pop_back();
    if (done.container.is_array()) last_list_ = done.mark;
    if (auto* object = done.container.if_object())
      for (auto& from : done.merged)
        for (auto& [key, value] : from.as_object())
          object->emplace(key, std::move(value));
    remember(done.mark, done.anchor, done.container);
    add(done.mark, done.path, std::move(done.container));
  }

  void add(const YAML::Mark& mark, const std::string& path, json::value value) {
    if (++nodes_ > limits_.nodes) throw refusal{mark, too_many_values(limits_)};
    // A path repeats all keys above it.
    if (place_bytes_ += path.size(); place_bytes_ > max_place_bytes)
      throw refusal{mark, "the document's keys are too long for how deep they are nested"};
    auto here = position_of(mark);
    auto& place = places[path];
    if (frames_.empty()) {
      place = {here, here};
      root = std::move(value);
      return;
    }
    auto& top = frames_.back();
    if (auto* list = top.container.if_array()) {
      place = {here, here};
      list->push_back(std::move(value));
      return;
    }
    top.has_key = false;
    if (top.merging) return merge(top, mark, std::move(value));
    auto first = place.key;
    place = {position_of(top.key_mark), here};
    if (!top.container.get_object().emplace(top.key, std::move(value)).second)
      throw refusal{top.key_mark, "key \"" + top.key + "\" already set in map (first on line "
                                      + std::to_string(first.line) + ")"};
  }

  static void merge(frame& into, const YAML::Mark& mark, json::value value) {
    into.merging = false;
    if (value.is_object()) {
      into.merged.push_back(std::move(value));
      return;
    }
    if (!value.is_array()) throw refusal{mark, "map merge requires map or sequence of maps as the value"};
    for (auto& item : value.get_array()) {
      if (!item.is_object()) throw refusal{mark, "map merge requires map or sequence of maps as the value"};
      into.merged.push_back(std::move(item));
    }
  }

  const text_limits& limits_;
  std::vector<frame> frames_;
  std::unordered_map<YAML::anchor_t, json::value> anchors_;
  amounts expanded_;
  size_t nodes_ = 0, place_bytes_ = 0;
  YAML::Mark last_list_ = YAML::Mark::null_mark();
};

constexpr size_t max_documents = 10'000;

caf::error refuse(const std::string& source, source_position at, const std::string& what) {
  auto place = to_string(source, at);
  return make_error(errc::bad_request, place.empty() ? what : place + ": " + what);
}

/// The tab that indents the line of a mistake, if one does: YAML allows spaces alone.
source_position indenting_tab(std::string_view text, const YAML::Mark& mark) {
  size_t begin = 0;
  for (int line = 0; line < mark.line && begin != std::string_view::npos; ++line) {
    begin = text.find('\n', begin);
    if (begin != std::string_view::npos) ++begin;
  }
  if (mark.line < 0 || begin == std::string_view::npos) return {};
  auto tab = text.find_first_not_of(' ', begin);
  if (tab == std::string_view::npos || text[tab] != '\t') return {};
  return {static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(tab - begin + 1)};
}

} // namespace

caf::expected<std::vector<document>> parse_yaml(std::string_view text, std::string source,
                                                const text_limits& limits) {
  if (text.size() > limits.bytes)
    return make_error(errc::too_large, (source.empty() ? std::string{} : source + ": ") + "the text has "
                                           + std::to_string(text.size()) + " bytes, at most "
                                           + std::to_string(limits.bytes) + " are allowed");
  size_t offset = 0;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!is_clean_utf8(text, offset))
    return refuse(source, position_at(text, offset),
                  "this byte is not allowed in YAML (the text must be UTF-8)");
  if (looks_too_large(text, limits)) return refuse(source, {}, too_many_values(limits));
  std::vector<document> out;
  document_builder builder{limits};
  try {
    // A quote that is open at an end of line and of the text is no mistake to the parser, unless something
    // follows.
    std::istringstream stream{std::string{text} + (text.ends_with('\n') ? "#" : "")};
    YAML::Parser parser{stream};
    for (size_t n = 0; parser.HandleNextDocument(builder); ++n) {
      if (n == max_documents)
        return refuse(source, {}, "more than " + std::to_string(max_documents) + " documents in one text");
      if (builder.root.is_null()) continue;
      document doc;
      doc.root = std::move(builder.root);
      doc.source = source;
      doc.places = std::make_shared<const place_table>(std::move(builder.places));
      out.push_back(std::move(doc));
    }
  } catch (const refusal& problem) {
    return refuse(source, problem.at, problem.what());
  } catch (const YAML::Exception& problem) {
    if (auto tab = indenting_tab(text, problem.mark); tab.known())
      return refuse(source, tab, "a tab where spaces should indent the line");
    return refuse(source, position_of(problem.mark), builder.explain(problem));
  } catch (const std::exception& problem) {
    return refuse(source, {}, problem.what());
  }
  return out;
}

caf::expected<std::vector<document>> parse_manifest(std::string_view text, std::string source,
                                                    const text_limits& limits) {
  auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '{')
    return parse_yaml(text, std::move(source), limits);
  auto doc = parse_json(text, std::move(source), limits);
  if (!doc) return std::move(doc.error());
  if (!doc->duplicates.empty()) {
    const auto& path = doc->duplicates.front();
    return make_error(errc::bad_request, doc->where(path, true) + ": duplicate field \"" + path + "\"");
  }
  std::vector<document> out;
  out.push_back(std::move(*doc));
  return out;
}

caf::expected<std::vector<document>> read_manifest(const std::string& path, const text_limits& limits) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return make_error(errc::not_found, path + ": there is no such file");
  if (fd < 0) return errno_error(path, errno);
  std::string text;
  struct stat info {};
  caf::error problem;
  if (::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode))
    problem = make_error(errc::io, path + ": this is a directory");
  char buffer[16384];
  while (!problem && text.size() <= limits.bytes) {
    auto got = ::read(fd, buffer, sizeof buffer);
    if (got == 0) break;
    if (got < 0 && errno != EINTR) problem = errno_error(path, errno);
    if (got > 0) text.append(buffer, static_cast<size_t>(got));
  }
  ::close(fd);
  if (problem) return problem;
  return parse_manifest(text, path, limits);
}

} // namespace podium::config
