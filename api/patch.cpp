#include "api/patch.hpp"

#include "core/error.hpp"

namespace podium::api {
namespace {

namespace json = boost::json;

constexpr size_t max_operations = 10'000; // Kubernetes' limit on a JSON patch

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

caf::error apply(json::value& root, const json::object& op) {
  auto name = text_of(op, "op");
  auto path = text_of(op, "path");
  if (!op.contains("path") || (!path.empty() && path[0] != '/'))
    return broken("path is missing or no JSON pointer");
  auto* value = op.if_contains("value");
  if ((name == "add" || name == "replace" || name == "test") && !value) return broken("value is missing");
  boost::system::error_code ec;
  if (name == "add") return add(root, path, *value);
  if (name == "remove") {
    auto gone = remove(root, path);
    return gone ? caf::error{} : std::move(gone.error());
  }
  if (name == "replace") {
    auto* target = root.find_pointer(path, ec);
    if (ec || !target) return cannot("there is nothing to replace at " + path);
    *target = *value;
    return {};
  }
  if (name == "test") {
    auto* target = root.find_pointer(path, ec);
    if (ec || !target || *target != *value) return cannot("the test of " + path + " failed");
    return {};
  }
  if (name != "move" && name != "copy") return broken("unknown op \"" + name + "\"");
  auto from = text_of(op, "from");
  if (!op.contains("from")) return broken("from is missing");
  if (name == "copy") {
    auto* source = root.find_pointer(from, ec);
    if (ec || !source) return cannot("there is nothing to copy at " + from);
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
  for (auto& op : *operations) {
    if (!op.is_object()) return broken("an operation is no object");
    if (auto err = apply(original, op.get_object())) return err;
  }
  return original;
}

} // namespace podium::api
