// A container's environment, command and arguments with everything that they refer to filled in.
#include "actors/pod_inputs.hpp"
#include "core/base64.hpp"
#include "core/error.hpp"

#include <algorithm>

namespace podium {
namespace {

caf::error config_error(std::string text) {
  return make_error(errc::container_config, std::move(text));
}

/// A ConfigMap or Secret of the pod's namespace, in the words of the kubelet's errors.
struct source_kind {
  const char* resource;
  const char* not_found; ///< as in `configmap "x" not found`
  const char* title;     ///< as in `in ConfigMap ns/x`
  const char* from;      ///< as in `the EnvFrom configMap ns/x`
};
constexpr source_kind config_maps{"configmaps", "configmap", "ConfigMap", "configMap"};
constexpr source_kind secrets{"secrets", "secret", "Secret", "secret"};

/// Names of any printable characters but '='. Source: IsRelaxedEnvVarName.
bool may_be_name(const std::string& name) {
  return !name.empty()
         && std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c <= '~' && c != '='; });
}

class builder {
public:
  builder(const input_facts& facts, const container_spec& container) : facts_(facts), container_(container) {}

  caf::expected<environment> build() {
    for (auto& from : container_.env_from) {
      if (from.config_map_ref)
        if (auto err = take_all(config_maps, *from.config_map_ref, from.prefix)) return err;
      if (from.secret_ref)
        if (auto err = take_all(secrets, *from.secret_ref, from.prefix)) return err;
    }
    for (auto& e : container_.env)
      if (auto err = take(e)) return err;
    return std::move(out_);
  }

private:
  const object* find(const source_kind& kind, const std::string& name) const {
    auto i = facts_.inputs->objects.find({kind.resource, facts_.ref->key().ns, name});
    return i == facts_.inputs->objects.end() ? nullptr : i->second.ptr.get();
  }
  static std::map<std::string, std::string> data_of(const source_kind& kind, const object& source) {
    if (&kind == &config_maps) return source.as_config_map().data;
    std::map<std::string, std::string> out;
    for (auto& [key, text] : source.as_secret().data)
      if (auto bytes = from_base64(text)) out[key] = std::move(*bytes);
    return out;
  }
  static caf::error missing(const source_kind& kind, const std::string& name) {
    return config_error(std::string{kind.not_found} + " \"" + name + "\" not found");
  }

  void put(const std::string& name, std::string value) {
    auto [i, fresh] = places_.emplace(name, out_.variables.size());
    if (fresh)
      out_.variables.push_back({name, std::move(value), {}});
    else
      out_.variables[i->second].value = std::move(value);
  }

  caf::error take_all(const source_kind& kind, const env_source_reference& from, const std::string& prefix) {
    auto* source = find(kind, from.name);
    if (!source) return from.optional_.value_or(false) ? caf::error{} : missing(kind, from.name);
    std::string invalid;
    for (auto& [key, value] : data_of(kind, *source)) {
      if (may_be_name(prefix + key))
        put(prefix + key, value);
      else
        invalid += (invalid.empty() ? "" : ", ") + prefix + key;
    }
    if (!invalid.empty())
      out_.warnings.push_back(
          "Keys [" + invalid + "] from the EnvFrom " + kind.from + " " + facts_.ref->key().ns + "/"
          + from.name + " were skipped since they are considered invalid environment variable names.");
    return {};
  }

  caf::error take_key(const source_kind& kind, const env_var& e, const key_selector& selector) {
    bool optional = selector.optional_.value_or(false);
    auto* source = find(kind, selector.name);
    if (!source) return optional ? caf::error{} : missing(kind, selector.name);
    auto data = data_of(kind, *source);
    auto i = data.find(selector.key);
    if (i == data.end())
      return optional ? caf::error{}
                      : config_error("couldn't find key " + selector.key + " in " + kind.title + " "
                                     + facts_.ref->key().ns + "/" + selector.name);
    put(e.name, std::move(i->second));
    return {};
  }

  caf::error take(const env_var& e) {
    if (!e.value.empty() || !e.value_from) {
      put(e.name, expand_references(e.value, [&](auto& name) { return value_of(name); }));
      return {};
    }
    auto& from = *e.value_from;
    if (from.config_map_key_ref) return take_key(config_maps, e, *from.config_map_key_ref);
    if (from.secret_key_ref) return take_key(secrets, e, *from.secret_key_ref);
    if (from.field_ref) {
      auto value = field_value_of(facts_, from.field_ref->field_path);
      if (!value) return config_error("unsupported fieldPath: " + from.field_ref->field_path);
      put(e.name, std::move(*value));
    } else if (from.resource_field_ref) {
      auto value = resource_value_of(facts_, *from.resource_field_ref, container_.name);
      if (!value) return value.error();
      put(e.name, std::move(*value));
    }
    return {};
  }

  std::optional<std::string> value_of(const std::string& name) const {
    auto i = places_.find(name);
    if (i == places_.end()) return std::nullopt;
    return out_.variables[i->second].value;
  }

  const input_facts& facts_;
  const container_spec& container_;
  environment out_;
  std::map<std::string, size_t> places_;
};

} // namespace

caf::expected<environment> expand_environment(const input_facts& facts, const container_spec& container) {
  return builder{facts, container}.build();
}

/// Source: the kubelet's third_party/forked/golang/expansion.
std::string
expand_references(std::string_view text,
                  const std::function<std::optional<std::string>(const std::string& name)>& find) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '$' || at + 1 == text.size()) {
      out += text[at];
      continue;
    }
    char next = text[at + 1];
    auto end = next == '(' ? text.find(')', at + 2) : std::string_view::npos;
    if (end != std::string_view::npos) {
      std::string name{text.substr(at + 2, end - at - 2)};
      out += find(name).value_or("$(" + name + ")");
      at = end;
    } else {
      out += '$';
      if (next != '$') out += next;
      ++at;
    }
  }
  return out;
}

caf::expected<container_spec> resolve_container(const input_facts& facts, const container_spec& container,
                                                std::vector<std::string>* warnings) {
  auto made = expand_environment(facts, container);
  if (!made) return made.error();
  container_spec out = container;
  out.env = std::move(made->variables);
  out.env_from.clear();
  if (warnings) *warnings = std::move(made->warnings);
  std::map<std::string, std::string> values;
  for (auto& e : out.env)
    values[e.name] = e.value;
  auto find = [&](const std::string& name) -> std::optional<std::string> {
    auto i = values.find(name);
    if (i == values.end()) return std::nullopt;
    return i->second;
  };
  for (auto* words : {&out.command, &out.args})
    for (auto& word : *words)
      word = expand_references(word, find);
  return out;
}

} // namespace podium
