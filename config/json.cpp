#include "config/json.hpp"

#include "core/error.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <cmath>

namespace podium::config {
namespace {

/// Boost.JSON's SAX side: builds the value and sees duplicate keys, which its DOM parser hides.
class document_handler {
public:
  static constexpr size_t max_object_size = -1;
  static constexpr size_t max_array_size = -1;
  static constexpr size_t max_key_size = -1;
  static constexpr size_t max_string_size = -1;

  json::value root;
  std::vector<std::string> duplicates;

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) { return open(json::object{}); }
  bool on_object_end(size_t, json::error_code&) { return close(); }
  bool on_array_begin(json::error_code&) { return open(json::array{}); }
  bool on_array_end(size_t, json::error_code&) { return close(); }
  bool on_key_part(json::string_view part, size_t, json::error_code&) {
    frames_.back().key.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, size_t, json::error_code& ec) { return on_key_part(part, 0, ec); }
  bool on_string_part(json::string_view part, size_t, json::error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_string(json::string_view part, size_t, json::error_code&) {
    text_.append(part.data(), part.size());
    bool ok = add(json::value(json::string_view{text_}));
    text_.clear();
    return ok;
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(int64_t number, json::string_view, json::error_code&) { return add(number); }
  bool on_uint64(uint64_t number, json::string_view, json::error_code&) { return add(number); }
  bool on_double(double number, json::string_view, json::error_code& ec) {
    // The parser multiplies digits by a power of ten that may be infinite: 0e999 comes as "not a number".
    if (std::isnan(number)) return add(0.0);
    if (std::isinf(number)) ec = json::error::exponent_overflow;
    return !ec && add(number);
  }
  bool on_bool(bool flag, json::error_code&) { return add(flag); }
  bool on_null(json::error_code&) { return add(nullptr); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

private:
  struct frame {
    json::value container;
    std::string key; ///< of the member being read
  };

  bool open(json::value container) {
    frames_.push_back({std::move(container), {}});
    return true;
  }

  bool close() {
    auto done = std::move(frames_.back().container);
    frames_.pop_back();
    return add(std::move(done));
  }

  bool add(json::value value) {
    if (frames_.empty()) {
      root = std::move(value);
      return true;
    }
    auto& top = frames_.back();
    if (auto* list = top.container.if_array()) {
      list->push_back(std::move(value));
      return true;
    }
    auto& object = top.container.get_object();
    if (auto* there = object.if_contains(top.key)) {
      note_duplicate();
      *there = std::move(value);
    } else {
      object.emplace(top.key, std::move(value));
    }
    top.key.clear();
    return true;
  }

  /// A path repeats all keys above it: of many only the first are told.
  void note_duplicate() {
    if (duplicates.size() >= max_duplicates || duplicate_bytes_ > max_duplicate_bytes) return;
    duplicates.push_back(path());
    duplicate_bytes_ += duplicates.back().size();
  }

  std::string path() const {
    std::string out;
    for (const auto& f : frames_)
      out = f.container.is_array() ? join_path(out, f.container.get_array().size()) : join_path(out, f.key);
    return out;
  }

  static constexpr size_t max_duplicates = 100; // Source: sigs.k8s.io/json, strict errors
  static constexpr size_t max_duplicate_bytes = 64 * 1024;

  std::vector<frame> frames_;
  std::string text_;
  size_t duplicate_bytes_ = 0;
};

/// Walks a text that is known to be valid JSON and notes where each value is.
class place_walker {
public:
  place_walker(std::string_view text, place_table& out) : text_(text), out_(out) {}

  void value(const std::string& path, source_position key) {
    space();
    auto here = position();
    // A path repeats all keys above it: when they become too long, what follows has no place.
    if (bytes_ += path.size(); bytes_ > max_place_bytes) {
      at_ = text_.size();
      return;
    }
    out_[path] = {key.known() ? key : here, here};
    if (at_ >= text_.size()) return;
    if (text_[at_] == '{')
      members(path);
    else if (text_[at_] == '[')
      elements(path);
    else if (text_[at_] == '"')
      string();
    else
      while (at_ < text_.size() && std::string_view{",]} \t\r\n"}.find(text_[at_]) == std::string_view::npos)
        ++at_;
  }

private:
  void members(const std::string& path) {
    for (++at_; skip_to_item('}');) {
      auto key_position = position();
      auto key = string();
      space();
      ++at_; // the colon
      value(join_path(path, key), key_position);
    }
  }

  void elements(const std::string& path) {
    ++at_;
    for (size_t i = 0; skip_to_item(']'); ++i)
      value(join_path(path, i), {});
  }

  /// True at the next item, false behind the end of the container.
  bool skip_to_item(char end) {
    space();
    if (at_ < text_.size() && text_[at_] == ',') ++at_;
    space();
    if (at_ < text_.size() && text_[at_] != end) return true;
    ++at_;
    return false;
  }

  std::string string() {
    auto begin = at_;
    bool escaped = false;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
      if (text_[at_] == '\\') escaped = true, ++at_;
    ++at_;
    auto raw = text_.substr(begin, std::min(at_, text_.size()) - begin);
    if (!escaped) return std::string{raw.size() < 2 ? raw : raw.substr(1, raw.size() - 2)};
    json::error_code ec;
    auto decoded = json::parse(raw, ec);
    return ec || !decoded.is_string() ? std::string{raw} : std::string{decoded.get_string()};
  }

  void space() {
    for (; at_ < text_.size() && std::string_view{" \t\r\n"}.find(text_[at_]) != std::string_view::npos;
         ++at_)
      if (text_[at_] == '\n') {
        ++line_;
        line_begin_ = at_ + 1;
      }
  }

  source_position position() const { return {line_, static_cast<uint32_t>(at_ - line_begin_ + 1)}; }

  std::string_view text_;
  place_table& out_;
  size_t at_ = 0, bytes_ = 0;
  uint32_t line_ = 1;
  size_t line_begin_ = 0;
};

} // namespace

source_position position_at(std::string_view text, size_t offset) {
  auto before = text.substr(0, offset);
  auto line = static_cast<uint32_t>(std::count(before.begin(), before.end(), '\n') + 1);
  auto newline = before.rfind('\n');
  auto begin = newline == std::string_view::npos ? 0 : newline + 1;
  return {line, static_cast<uint32_t>(before.size() - begin + 1)};
}

caf::expected<document> parse_json(std::string_view text, std::string source, const text_limits& limits) {
  if (text.size() > limits.bytes)
    return make_error(errc::too_large, (source.empty() ? std::string{} : source + ": ") + "the text has "
                                           + std::to_string(text.size()) + " bytes, at most "
                                           + std::to_string(limits.bytes) + " are allowed");
  json::parse_options options;
  options.max_depth = limits.depth;
  json::basic_parser<document_handler> parser{options};
  json::error_code ec;
  auto used = parser.write_some(false, text.data(), text.size(), ec);
  if (!ec && !parser.done()) ec = json::error::incomplete;
  auto rest = text.substr(std::min(used, text.size()));
  if (!ec && rest.find_first_not_of(" \t\r\n") != std::string_view::npos) ec = json::error::extra_data;
  if (ec) {
    auto place = to_string(source, position_at(text, used));
    return make_error(errc::bad_request, place + ": this is not valid JSON: " + ec.message());
  }
  document out;
  out.root = std::move(parser.handler().root);
  out.duplicates = std::move(parser.handler().duplicates);
  out.source = std::move(source);
  out.text = std::make_shared<const std::string>(text);
  return out;
}

place_table json_places(std::string_view text) {
  place_table out;
  place_walker{text, out}.value("", {});
  return out;
}

} // namespace podium::config
