// From a pod's volumes, and the objects that they refer to, to what the node is to make of each.
#include "actors/pod_inputs.hpp"
#include "actors/pod_resources.hpp"
#include "core/base64.hpp"
#include "core/error.hpp"
#include "core/quantity.hpp"

#include <algorithm>

namespace podium {
namespace {

constexpr int32_t usual_mode = 0644, token_mode = 0600;

using bytes = std::shared_ptr<const std::string>;
bytes make_bytes(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

/// The user that all containers run as, who may then read a token of mode 0600. Source: FsUserFrom.
std::optional<int64_t> common_user_of(const pod_spec& spec) {
  std::optional<int64_t> common;
  for (auto* list : {&spec.init_containers, &spec.containers})
    for (auto& c : *list) {
      std::optional<int64_t> user;
      if (c.security_context_) user = c.security_context_->run_as_user;
      if (!user && spec.security_context_) user = spec.security_context_->run_as_user;
      if (!user || (common && *common != *user)) return std::nullopt;
      common = user;
    }
  return common;
}

/// Source: the kubelet's calculateEmptyDirMemorySize: the least of the node's memory, the pod's and the
/// volume's limit.
int64_t memory_size_of(const input_facts& facts, const pod_spec& spec, const empty_dir_source& source) {
  auto size = amount_of(facts.allocatable, "memory");
  auto take = [&](int64_t limit) {
    if (limit > 0 && (size == 0 || limit < size)) size = limit;
  };
  int64_t sum = 0;
  bool all = !spec.containers.empty();
  for (auto& c : spec.containers) {
    auto limit = amount_of(c.resources.limits, "memory");
    all = all && limit > 0;
    sum += limit;
  }
  if (all) take(sum);
  if (source.size_limit)
    if (auto limit = quantity::parse(*source.size_limit)) take(limit->value());
  return size;
}

/// Collects the files of one volume and what is wrong with it.
class file_list {
public:
  file_list(const input_facts& facts, int32_t mode) : facts_(facts), mode_(mode) {}

  void add_config_map(const config_map_source& source) {
    auto* found = find("configmaps", source.name);
    std::map<std::string, bytes> data;
    if (found) {
      auto& map = found->as_config_map();
      for (auto& [key, text] : map.data)
        data[key] = make_bytes(text);
      for (auto& [key, text] : map.binary_data)
        if (auto decoded = from_base64(text)) data[key] = make_bytes(std::move(*decoded));
    }
    add_keys({"configmap", "configmap references non-existent config key: "}, found, source.name,
             source.optional_.value_or(false), source.items, data);
  }

  void add_secret(const secret_source& source, bool projected) {
    auto& name = projected ? source.name : source.secret_name;
    auto* found = find("secrets", name);
    std::map<std::string, bytes> data;
    if (found)
      for (auto& [key, text] : found->as_secret().data)
        if (auto decoded = from_base64(text)) data[key] = make_bytes(std::move(*decoded));
    add_keys({"secret", "references non-existent secret key: "}, found, name,
             source.optional_.value_or(false), source.items, data);
  }

  void add_downward(const downward_api_source& source) {
    for (auto& item : source.items) {
      std::string text;
      if (item.field_ref) {
        auto value = field_value_of(facts_, item.field_ref->field_path);
        if (!value) return fail("unsupported fieldPath: " + item.field_ref->field_path);
        text = std::move(*value);
      } else if (item.resource_field_ref) {
        auto value = resource_value_of(facts_, *item.resource_field_ref, {});
        if (!value) return fail(message_of(value.error()));
        text = std::move(*value);
      }
      put(item.path, make_bytes(std::move(text)), item.mode.value_or(mode_));
    }
  }

  void add_token(const std::string& volume, const service_account_token_source& source,
                 const token_map& tokens, const pod_spec& spec) {
    auto i = tokens.find({volume, source.path});
    if (i == tokens.end())
      return fail("failed to fetch token: serviceaccounts \"" + spec.service_account_name + "\" not found");
    auto user = common_user_of(spec);
    bool grouped = spec.security_context_ && spec.security_context_->fs_group;
    put(source.path, make_bytes(i->second), user || grouped ? token_mode : mode_, user.value_or(0));
  }

  void fail(std::string why) { errors_.push_back(std::move(why)); }
  /// "" or what is wrong; several are listed as Go prints an aggregate.
  std::string error() const {
    if (errors_.size() < 2) return errors_.empty() ? "" : errors_[0];
    std::string out;
    for (auto& e : errors_)
      out += (out.empty() ? "[" : ", ") + e;
    return out + "]";
  }
  std::vector<volume_file> take() { return std::move(files_); }

private:
  struct words {
    const char *kind, *missing_key;
  };

  const object* find(const char* resource, const std::string& name) const {
    auto i = facts_.inputs->objects.find({resource, facts_.ref->key().ns, name});
    return i == facts_.inputs->objects.end() ? nullptr : i->second.ptr.get();
  }

  void add_keys(const words& w, const object* found, const std::string& name, bool optional,
                const std::vector<key_to_path>& items, const std::map<std::string, bytes>& data) {
    if (!found && !optional) return fail(std::string{w.kind} + " \"" + name + "\" not found");
    if (items.empty())
      for (auto& [key, text] : data)
        put(key, text, mode_);
    for (auto& item : items) {
      auto i = data.find(item.key);
      if (i != data.end())
        put(item.path, i->second, item.mode.value_or(mode_));
      else if (!optional)
        return fail(w.missing_key + item.key);
    }
  }

  /// A later source of one path wins.
  void put(const std::string& path, bytes data, int32_t mode, int64_t user = 0) {
    std::erase_if(files_, [&](auto& f) { return f.path == path; });
    files_.push_back({path, std::move(data), mode, user});
  }

  const input_facts& facts_;
  const int32_t mode_;
  std::vector<volume_file> files_;
  std::vector<std::string> errors_;
};

/// A claim's volume, as a path of the node. Error: the text of what keeps it.
caf::expected<volume_wish> claimed(const input_facts& facts, const claim_source& source) {
  auto& ns = facts.ref->key().ns;
  auto& objects = facts.inputs->objects;
  auto refuse = [&](const std::string& why) {
    return make_error(errc::container_config,
                      "error processing PVC " + ns + "/" + source.claim_name + ": " + why);
  };
  auto i = objects.find({"persistentvolumeclaims", ns, source.claim_name});
  if (i == objects.end())
    return refuse("failed to fetch PVC from API server: persistentvolumeclaims \"" + source.claim_name
                  + "\" not found");
  auto& claim = i->second->as_persistent_volume_claim();
  if (claim.metadata.deletion_timestamp) return refuse("PVC is being deleted");
  if (claim.status.phase != "Bound" || claim.spec.volume_name.empty()) return refuse("PVC is not bound");
  auto v = objects.find({"persistentvolumes", "", claim.spec.volume_name});
  if (v == objects.end())
    return refuse("failed to fetch PV " + claim.spec.volume_name + " from API server: persistentvolumes \""
                  + claim.spec.volume_name + "\" not found");
  auto& volume = v->second->as_persistent_volume();
  if (!volume.spec.claim_ref || volume.spec.claim_ref->uid != i->second->uid())
    return refuse("PV " + claim.spec.volume_name + " is bound to another claim");
  volume_wish wish;
  wish.kind = volume_kind::host_path;
  wish.read_only = source.read_only;
  if (volume.spec.local) {
    wish.path = volume.spec.local->path;
    wish.type = "Directory";
    wish.group_owned = !source.read_only;
  } else if (volume.spec.host_path) {
    wish.path = volume.spec.host_path->path;
    wish.type = volume.spec.host_path->type.value_or("");
  } else {
    return refuse("podium serves persistent volumes of type hostPath and local");
  }
  return wish;
}

class planner {
public:
  planner(const input_facts& facts, const token_map& tokens)
      : facts_(facts), tokens_(tokens), spec_(facts.ref->as_pod().spec) {}

  volume_plan plan() {
    for (auto& v : spec_.volumes) {
      auto wish = wish_of(v);
      if (!wish) {
        out_.failures.push_back({v.name, "", message_of(wish.error())});
        continue;
      }
      wish->name = v.name;
      out_.wishes.push_back(std::move(*wish));
    }
    return std::move(out_);
  }

private:
  caf::expected<volume_wish> wish_of(const volume& v) {
    volume_wish wish;
    if (v.empty_dir) {
      bool memory = v.empty_dir->medium == "Memory";
      wish.kind = memory ? volume_kind::memory : volume_kind::directory;
      if (memory)
        wish.size_limit_bytes = memory_size_of(facts_, spec_, *v.empty_dir);
      else if (auto limit = quantity::parse(v.empty_dir->size_limit.value_or("0")))
        wish.size_limit_bytes = limit->value();
      return wish;
    }
    if (v.host_path) {
      wish.kind = volume_kind::host_path;
      wish.path = v.host_path->path;
      wish.type = v.host_path->type.value_or("");
      return wish;
    }
    if (v.persistent_volume_claim) return claimed(facts_, *v.persistent_volume_claim);
    return files_of(v);
  }

  caf::expected<volume_wish> files_of(const volume& v) {
    volume_wish wish;
    wish.kind = volume_kind::files;
    auto mode = v.config_map     ? v.config_map->default_mode
                : v.secret       ? v.secret->default_mode
                : v.downward_api ? v.downward_api->default_mode
                : v.projected    ? v.projected->default_mode
                                 : std::nullopt;
    file_list files{facts_, mode.value_or(usual_mode)};
    if (v.config_map) {
      files.add_config_map(*v.config_map);
    } else if (v.secret) {
      files.add_secret(*v.secret, false);
      wish.in_memory = true;
    } else if (v.downward_api) {
      files.add_downward(*v.downward_api);
    } else if (v.projected) {
      for (auto& source : v.projected->sources) {
        if (source.config_map) files.add_config_map(*source.config_map);
        if (source.secret) files.add_secret(*source.secret, true);
        if (source.downward_api) files.add_downward(*source.downward_api);
        if (source.service_account_token)
          files.add_token(v.name, *source.service_account_token, tokens_, spec_);
      }
      // Source: the kubelet keeps all of a projected volume off the disk, whatever is in it.
      wish.in_memory = true;
    } else {
      files.fail("podium does not serve this kind of volume");
    }
    if (auto why = files.error(); !why.empty()) return make_error(errc::container_config, why);
    wish.files = files.take();
    return wish;
  }

  const input_facts& facts_;
  const token_map& tokens_;
  const pod_spec& spec_;
  volume_plan out_;
};

} // namespace

std::vector<token_wish> tokens_of(const input_facts& facts) {
  std::vector<token_wish> out;
  auto& spec = facts.ref->as_pod().spec;
  auto& ns = facts.ref->key().ns;
  auto account = facts.inputs->objects.find({"serviceaccounts", ns, spec.service_account_name});
  if (account == facts.inputs->objects.end()) return out;
  for (auto& v : spec.volumes) {
    if (!v.projected) continue;
    for (auto& source : v.projected->sources) {
      if (!source.service_account_token) continue;
      auto& s = *source.service_account_token;
      token_wish wish{v.name, s.path, {}};
      auto& r = wish.request;
      r.ns = ns;
      r.service_account = spec.service_account_name;
      r.service_account_uid = account->second->uid();
      if (!s.audience.empty()) r.audiences = {s.audience};
      r.expiration_seconds = s.expiration_seconds.value_or(3600);
      r.bound_name = facts.ref->key().name;
      r.bound_kind = "Pod";
      r.bound_uid = facts.ref->uid();
      out.push_back(std::move(wish));
    }
  }
  return out;
}

volume_plan volumes_of(const input_facts& facts, const token_map& tokens) {
  return planner{facts, tokens}.plan();
}

} // namespace podium
