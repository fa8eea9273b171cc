#include "api/patch.hpp"

#include "config/document.hpp"
#include "core/error.hpp"

#include <algorithm>

namespace podium::api {
namespace {

namespace json = boost::json;

constexpr size_t max_operations = 10'000; // Kubernetes' limit on a JSON patch
constexpr size_t max_copied_bytes =
    3 * 1024 * 1024; // and on what its copies add up to: each may double the document
/// What walking values and shifting lists may add up to, about in bytes: a patch is small work on an object.
constexpr size_t max_work = 128 * 1024 * 1024;

/// How much text a value makes, about, and how deep it nests (0 for a scalar).
struct extent {
  size_t bytes = 0;
  size_t depth = 0;
};
extent extent_of(const json::value& v) {
  extent out{8, 0};
  auto take = [&](const json::value& inner, size_t key_bytes) {
    auto e = extent_of(inner);
    out.bytes += e.bytes + key_bytes;
    out.depth = std::max(out.depth, e.depth);
  };
  if (auto* text = v.if_string()) out.bytes += text->size();
  if (auto* object = v.if_object())
    for (auto& [key, value] : *object)
      take(value, key.size());
  if (auto* array = v.if_array())
    for (auto& item : *array)
      take(item, 0);
  if (v.is_structured()) ++out.depth;
  return out;
}

std::string text_of(const json::object& op, std::string_view key) {
  auto* v = op.if_contains(key);
  return v && v->is_string() ? std::string(v->get_string()) : std::string{};
}

caf::error broken(const std::string& what) {
  return make_error(errc::bad_request, "invalid JSON patch: " + what);
}

caf::error cannot(const std::string& what) {
  return make_error(errc::invalid, "the patch cannot be applied: " + what);
}

/// The parent of `pointer`'s target and the last token, unescaped. Null when the parent is not there.
std::pair<json::value*, std::string> find_parent(json::value& root, const std::string& pointer) {
  auto slash = pointer.rfind('/');
  boost::system::error_code ec;
  auto* parent = root.find_pointer(pointer.substr(0, slash), ec);
  std::string token;
  for (size_t i = slash + 1; i < pointer.size(); ++i) {
    if (pointer[i] == '~' && i + 1 < pointer.size()) {
      token += pointer[++i] == '0' ? '~' : '/';
      continue;
    }
    token += pointer[i];
  }
  return {ec ? nullptr : parent, token};
}

/// An index of `array`, or nothing. With `may_append`, "-" and size() are allowed.
std::optional<size_t> index_of(const json::array& array, const std::string& token, bool may_append) {
  if (token == "-" && may_append) return array.size();
  if (token.empty() || token.size() > 9 || token.find_first_not_of("0123456789") != std::string::npos
      || (token.size() > 1 && token[0] == '0'))
    return {};
  size_t n = std::stoul(token);
  return n < array.size() + (may_append ? 1 : 0) ? std::optional{n} : std::nullopt;
}

/// What is put at `path` must not nest deeper than a document may that is read: all that walks it is
/// recursive.
caf::error check_depth(const std::string& path, const extent& value) {
  auto above = static_cast<size_t>(std::count(path.begin(), path.end(), '/'));
  if (above + value.depth <= config::text_limits{}.depth) return {};
  return cannot("the document would nest too deep");
}

caf::error add(json::value& root, const std::string& path, json::value value) {
  if (path.empty()) {
    root = std::move(value);
    return {};
  }
  auto [parent, token] = find_parent(root, path);
  if (parent && parent->is_object()) {
    parent->get_object()[token] = std::move(value);
    return {};
  }
  if (parent && parent->is_array()) {
    auto& array = parent->get_array();
    if (auto i = index_of(array, token, true)) {
      array.insert(array.begin() + static_cast<ptrdiff_t>(*i), std::move(value));
      return {};
    }
  }
  return cannot("there is no place to add " + path);
}

caf::expected<json::value> remove(json::value& root, const std::string& path) {
  if (!path.empty()) {
    auto [parent, token] = find_parent(root, path);
    if (parent && parent->is_object()) {
      auto& object = parent->get_object();
      if (auto i = object.find(token); i != object.end()) {
        auto out = std::move(i->value());
        object.erase(i);
        return out;
      }
    }
    if (parent && parent->is_array()) {
      auto& array = parent->get_array();
      if (auto i = index_of(array, token, false)) {
        auto out = std::move(array[*i]);
        array.erase(array.begin() + static_cast<ptrdiff_t>(*i));
        return out;
      }
    }
  }
  return cannot("there is nothing to remove at " + (path.empty() ? std::string{"the root"} : path));
}

/// One JSON patch at work.
struct patcher {
  json::value root;
  size_t copied_bytes = 0;
  size_t work = 0;

  caf::error apply(const json::object& op);
  caf::error spend(size_t bytes);
  caf::error with_value(const std::string& name, const std::string& path, const json::value& value);
  caf::error from_elsewhere(const std::string& name, const std::string& path, const std::string& from);
};

/// The elements that a change of the list at `path` shifts, in bytes.
size_t shifted_bytes(json::value& root, const std::string& path) {
  auto* parent = path.empty() ? nullptr : find_parent(root, path).first;
  return parent && parent->is_array() ? parent->get_array().size() * sizeof(json::value) : 0;
}

caf::error patcher::spend(size_t bytes) {
  work += bytes;
  if (work <= max_work) return {};
  return make_error(errc::too_large, "the JSON patch is too much work: too many operations on large values");
}

caf::error patcher::apply(const json::object& op) {
  auto name = text_of(op, "op");
  auto path = text_of(op, "path");
  if (!op.contains("path") || (!path.empty() && path[0] != '/'))
    return broken("path is missing or no JSON pointer");
  if (auto err = spend(shifted_bytes(root, path))) return err;
  if (name == "remove") {
    auto gone = remove(root, path);
    return gone ? caf::error{} : std::move(gone.error());
  }
  if (name == "move" || name == "copy") {
    if (!op.contains("from")) return broken("from is missing");
    return from_elsewhere(name, path, text_of(op, "from"));
  }
  if (name != "add" && name != "replace" && name != "test") return broken("unknown op \"" + name + "\"");
  auto* value = op.if_contains("value");
  return value ? with_value(name, path, *value) : broken("value is missing");
}

caf::error patcher::with_value(const std::string& name, const std::string& path, const json::value& value) {
  boost::system::error_code ec;
  auto* target = name == "add" ? nullptr : root.find_pointer(path, ec);
  if (name == "test")
    return target && *target == value ? caf::error{} : cannot("the test of " + path + " failed");
  if (auto err = check_depth(path, extent_of(value))) return err;
  if (name == "add") return add(root, path, value);
  if (!target) return cannot("there is nothing to replace at " + path);
  *target = value;
  return {};
}

caf::error patcher::from_elsewhere(const std::string& name, const std::string& path,
                                   const std::string& from) {
  boost::system::error_code ec;
  auto* source = root.find_pointer(from, ec);
  if (ec || !source) return cannot("there is nothing to " + name + " at " + from);
  auto size = extent_of(*source);
  if (auto err = spend(size.bytes + shifted_bytes(root, from))) return err;
  if (auto err = check_depth(path, size)) return err;
  if (name == "copy") {
    copied_bytes += size.bytes;
    if (copied_bytes > max_copied_bytes)
      return cannot("its copies add up to more than " + std::to_string(max_copied_bytes) + " bytes");
    return add(root, path, json::value(*source));
  }
  if (path.starts_with(from + "/")) return cannot("a value cannot be moved into itself");
  auto taken = remove(root, from);
  if (!taken) return std::move(taken.error());
  return add(root, path, std::move(*taken));
}

} // namespace

json::value merge_patch(json::value original, const json::value& patch) {
  auto* changes = patch.if_object();
  if (!changes) return patch;
  if (!original.is_object()) original = json::object{};
  auto& target = original.get_object();
  for (auto& [key, value] : *changes) {
    if (value.is_null()) {
      target.erase(key);
      continue;
    }
    auto& slot = target[key];
    slot = merge_patch(std::move(slot), value);
  }
  return original;
}

caf::expected<json::value> json_patch(json::value original, const json::value& patch) {
  auto* operations = patch.if_array();
  if (!operations) return broken("a list of operations is expected");
  if (operations->size() > max_operations)
    return make_error(errc::too_large, "The allowed maximum operations in a JSON patch is "
                                           + std::to_string(max_operations) + ", got "
                                           + std::to_string(operations->size()));
  patcher work{std::move(original)};
  for (auto& op : *operations) {
    if (!op.is_object()) return broken("an operation is no object");
    if (auto err = work.apply(op.get_object())) return err;
  }
  return std::move(work.root);
}

} // namespace podium::api
