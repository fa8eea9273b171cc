// Validation of PersistentVolumes, PersistentVolumeClaims and StorageClasses.
#include "config/go_diff.hpp"
#include "config/validate_kinds.hpp"
#include "config/validate_volume_sources.hpp"
#include "core/quantity.hpp"

#include <array>

namespace podium::config {
namespace {

const words access_modes{"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"};
const words volume_modes{"Block", "Filesystem"};
constexpr size_t most_parameters = 512, most_parameter_bytes = 256 * 1024;

const json::object& object_of(const json::value& value) {
  static const json::object none;
  const auto* object = value.if_object();
  return object == nullptr ? none : *object;
}

const json::object& spec_of(const json::value& object) {
  static const json::object none;
  const auto* spec = object_at(object, "spec");
  return spec == nullptr ? none : *spec;
}

void validate_access_modes(const judged& spec, std::string_view absent) {
  if (spec.list("accessModes").empty()) spec.out().required(spec.at("accessModes"), absent);
  bool alone = false, others = false;
  spec.each_text("accessModes", [&](std::string_view mode, const std::string&) {
    bool known = std::find(access_modes.begin(), access_modes.end(), mode) != access_modes.end();
    if (!known) spec.out().not_supported(spec.at("accessModes"), mode, access_modes);
    if (mode == "ReadWriteOncePod")
      alone = true;
    else
      others |= known;
  });
  if (alone && others) spec.forbidden("accessModes", "may not use ReadWriteOncePod with other access modes");
}

void validate_amount(const judged& spec, const json::value& value, const std::string& path) {
  auto amount = value.is_string() ? quantity::parse(value.get_string()) : quantity::parse("");
  if (!amount) return spec.out().invalid(path, value, "must be a quantity");
  if (amount->sign() < 0) spec.out().invalid(path, value, "must be a valid resource quantity");
  if (amount->sign() <= 0)
    spec.out().invalid(path, json::value(amount->to_string()), "must be greater than zero");
}

void validate_capacity(const judged& spec) {
  const auto* capacity = object_at(spec.object(), "capacity");
  if (capacity == nullptr || capacity->empty()) spec.out().required(spec.at("capacity"));
  if (capacity == nullptr || !capacity->contains("storage") || capacity->size() > 1) {
    std::string shown;
    if (capacity != nullptr)
      for (const auto& [name, amount] : *capacity)
        shown += (shown.empty() ? "" : ",") + std::string{name};
    spec.out().not_supported(spec.at("capacity"), shown, {"storage"});
  }
  if (capacity != nullptr)
    for (const auto& [name, amount] : *capacity)
      validate_amount(spec, amount, spec.at("capacity") + "[" + std::string{name} + "]");
}

void validate_local(const judged& source) {
  source.needs("path");
  source.format("path", check_no_backsteps);
}

void validate_csi_volume(const judged& source) {
  source.needs("driver");
  source.needs("volumeHandle");
}

struct source_row {
  std::string_view name;
  std::array<std::string_view, 3> needed = {};
  void (*judge)(const judged&) = nullptr;
};

// What a volume can be of. Only hostPath and local are mounted here; the rest is stored for tools.
const source_row sources[] = {
    {"hostPath", {}, validate_host_path},
    {"gcePersistentDisk", {"pdName"}, validate_partition},
    {"awsElasticBlockStore", {"volumeID"}, validate_partition},
    {"glusterfs", {"endpoints", "path"}},
    {"flocker", {}, validate_flocker},
    {"nfs", {"server", "path"}, validate_nfs},
    {"rbd", {"image"}, validate_monitors},
    {"quobyte", {"registry", "volume"}},
    {"cephfs", {}, validate_monitors},
    {"iscsi", {"targetPortal", "iqn"}, validate_iscsi},
    {"cinder", {"volumeID"}},
    {"fc", {}, validate_fibre_channel},
    {"flexVolume", {"driver"}},
    {"azureFile", {"secretName", "shareName"}},
    {"vsphereVolume", {"volumePath"}},
    {"photonPersistentDisk", {"pdID"}},
    {"portworxVolume", {"volumeID"}},
    {"azureDisk", {"diskName", "diskURI"}},
    {"scaleIO", {"gateway", "system", "volumeName"}},
    {"local", {}, validate_local},
    {"storageos", {}},
    {"csi", {}, validate_csi_volume},
};

void validate_sources(const judged& spec) {
  size_t found = 0;
  for (const auto& row : sources)
    spec.with(row.name, [&](const judged& source) {
      if (++found > 1) return spec.forbidden(row.name, "may not specify more than 1 volume type");
      for (auto field : row.needed)
        if (!field.empty()) source.needs(field);
      if (row.judge != nullptr) row.judge(source);
      if (row.name == "local" && !spec.has("nodeAffinity"))
        spec.out().required(spec.at("nodeAffinity"), "Local volume requires node affinity");
    });
  if (found == 0) spec.out().required(spec.path(), "must specify a volume type");
}

/// The one member of a volume's spec that says what it is of.
json::object source_of(const json::object& spec) {
  json::object out;
  for (const auto& row : sources)
    if (const auto* source = spec.if_contains(row.name)) out[row.name] = *source;
  return out;
}

bool is_root(std::string_view path) {
  return !path.empty() && path.find_first_not_of("/.") == std::string_view::npos
         && path.find("..") == std::string_view::npos;
}

void same_or_invalid(const judged& before, const judged& after, std::string_view field,
                     const std::string& path) {
  if (before.value(field) != after.value(field))
    after.out().invalid(path, after.value(field), "field is immutable");
}

quantity storage_of(const json::object& holder, std::string_view list) {
  const auto* amounts = object_at(holder, list);
  auto parsed = quantity::parse(amounts == nullptr ? "" : text_at(*amounts, "storage"));
  return parsed ? *parsed : quantity{};
}

} // namespace

void validate_persistent_volume(const json::value& object, field_causes& out) {
  judged spec{spec_of(object), "spec", out};
  validate_access_modes(spec, {});
  validate_capacity(spec);
  if (!spec.text("persistentVolumeReclaimPolicy").empty())
    spec.choice("persistentVolumeReclaimPolicy", {"Delete", "Recycle", "Retain"});
  spec.with("nodeAffinity", [](const judged& affinity) {
    if (!affinity.has("required"))
      affinity.out().required(affinity.at("required"), "must specify required node constraints");
    affinity.with("required", validate_node_selector);
  });
  validate_sources(spec);
  spec.with("hostPath", [&](const judged& source) {
    if (is_root(source.text("path")) && spec.text("persistentVolumeReclaimPolicy") == "Recycle")
      spec.forbidden("persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'");
  });
  spec.format("storageClassName", check_dns_subdomain);
  if (spec.has("volumeMode")) spec.choice("volumeMode", volume_modes);
}

void validate_persistent_volume_update(const json::value& before, const json::value& after,
                                       field_causes& out) {
  judged was{spec_of(before), "spec", out}, now{spec_of(after), "spec", out};
  json::value old_source = source_of(was.object()), new_source = source_of(now.object());
  if (old_source != new_source)
    out.forbidden("spec.persistentvolumesource",
                  "spec.persistentvolumesource is immutable after creation\n"
                      + go_diff(*find_type("core.v1.PersistentVolumeSource"), old_source, new_source));
  same_or_invalid(was, now, "volumeMode", "volumeMode");
  if (was.has("nodeAffinity")) same_or_invalid(was, now, "nodeAffinity", "nodeAffinity");
}

void validate_claim(const json::value& object, field_causes& out) {
  judged spec{spec_of(object), "spec", out};
  if (spec.list("accessModes").empty()) validate_access_modes(spec, "at least 1 access mode is required");
  spec.with("selector", [](const judged& selector) { validate_label_selector(selector); });
  if (!spec.list("accessModes").empty()) validate_access_modes(spec, {});
  static const json::object none;
  const auto* resources = object_at(spec.object(), "resources");
  const auto* requests = object_at(resources == nullptr ? none : *resources, "requests");
  const auto* storage = requests == nullptr ? nullptr : requests->if_contains("storage");
  if (storage == nullptr)
    out.required("spec.resources[storage]");
  else
    validate_amount(spec, *storage, "spec.resources[storage]");
  spec.format("storageClassName", check_dns_subdomain);
  if (spec.has("volumeMode")) spec.choice("volumeMode", volume_modes);
}

void validate_claim_update(const json::value& before, const json::value& after, field_causes& out) {
  judged was{spec_of(before), "spec", out}, now{spec_of(after), "spec", out};
  auto old_spec = was.object(), new_spec = now.object();
  // The binder names the volume, once.
  if (was.text("volumeName").empty()) {
    old_spec.erase("volumeName");
    new_spec.erase("volumeName");
  }
  // A claim without a class may be given the default one.
  if (!was.has("storageClassName") && now.has("storageClassName")) new_spec.erase("storageClassName");
  static const json::object none;
  const auto* status = object_at(after, "status");
  bool is_bound = text_at(status == nullptr ? none : *status, "phase") == "Bound";
  auto resources = [](const json::object& spec) -> const json::object& {
    const auto* found = object_at(spec, "resources");
    return found == nullptr ? none : *found;
  };
  auto old_size = storage_of(resources(was.object()), "requests");
  auto new_size = storage_of(resources(now.object()), "requests");
  if (is_bound && new_size.sign() > 0)
    if (const auto* amounts = object_at(resources(old_spec), "requests"))
      if (const auto* amount = amounts->if_contains("storage"))
        make_object(make_object(new_spec, "resources"), "requests")["storage"] = *amount;
  json::value a = std::move(old_spec), b = std::move(new_spec);
  if (a != b)
    out.forbidden("spec", "spec is immutable after creation except resources.requests and "
                          "volumeAttributesClassName for bound claims\n"
                              + go_diff(*find_type("core.v1.PersistentVolumeClaimSpec"), a, b));
  if (new_size < old_size && (!is_bound || new_size <= storage_of(*status, "capacity")))
    out.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
  same_or_invalid(was, now, "volumeMode", "volumeMode");
}

void validate_storage_class(const json::value& object, field_causes& out) {
  judged storage{object_of(object), "", out};
  storage.needs("provisioner");
  storage.format("provisioner", [](std::string_view name) {
    std::string lower{name};
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return check_qualified_name(lower);
  });
  if (const auto* parameters = object_at(storage.object(), "parameters")) {
    size_t bytes = 0;
    for (const auto& [key, value] : *parameters) {
      if (key.empty()) out.invalid("parameters", "", "field can not be empty.");
      bytes += key.size() + (value.is_string() ? value.get_string().size() : 0);
    }
    if (parameters->size() > most_parameters) out.too_long("parameters", most_parameters);
    if (bytes > most_parameter_bytes) out.too_long("parameters", most_parameter_bytes);
  }
  storage.choice("reclaimPolicy", {"Delete", "Retain"});
  storage.choice("volumeBindingMode", {"Immediate", "WaitForFirstConsumer"}, true);
}

void validate_storage_class_update(const json::value& before, const json::value& after, field_causes& out) {
  judged was{object_of(before), "", out}, now{object_of(after), "", out};
  for (std::string_view field : {"parameters", "provisioner", "reclaimPolicy"})
    if (was.value(field) != now.value(field))
      now.forbidden(field, "updates to " + std::string{field} + " are forbidden.");
  same_or_invalid(was, now, "volumeBindingMode", "volumeBindingMode");
}

} // namespace podium::config
