// Tables of ConfigMaps, Secrets, ServiceAccounts, PersistentVolumes, PersistentVolumeClaims, StorageClasses.
#include "api/printers.hpp"
#include "core/quantity.hpp"
#include "messages/storage.hpp"

#include <algorithm>

namespace podium::api {
namespace {

namespace json = boost::json;

constexpr std::string_view unset = "<unset>";

// -- data

constexpr column config_map_columns[] = {
    {"Name", "string", "name", "Name must be unique within a namespace."},
    {"Data", "string", "", "How many keys there are."},
    {"Age", "string", "", "How long ago the object was created."},
};

json::array config_map_cells(const object& obj, wall_time now) {
  auto& c = obj.as_config_map();
  return {c.metadata.name, static_cast<int64_t>(c.data.size() + c.binary_data.size()),
          age_cell(c.metadata.creation_timestamp, now)};
}

constexpr column secret_columns[] = {
    {"Name", "string", "name", "Name must be unique within a namespace."},
    {"Type", "string", "", "What the secret is for."},
    {"Data", "string", "", "How many keys there are."},
    {"Age", "string", "", "How long ago the object was created."},
};

json::array secret_cells(const object& obj, wall_time now) {
  auto& s = obj.as_secret();
  return {s.metadata.name, s.type, static_cast<int64_t>(s.data.size()),
          age_cell(s.metadata.creation_timestamp, now)};
}

constexpr column account_columns[] = {
    {"Name", "string", "name", "Name must be unique within a namespace."},
    {"Secrets", "string", "", "How many secrets the account names."},
    {"Age", "string", "", "How long ago the object was created."},
};

json::array account_cells(const object& obj, wall_time now) {
  auto& a = obj.as_service_account();
  return {a.metadata.name, static_cast<int64_t>(a.secrets.size()),
          age_cell(a.metadata.creation_timestamp, now)};
}

// -- storage

constexpr column volume_columns[] = {
    {"Name", "string", "name", "Name must be unique."},
    {"Capacity", "string", "", "How much the volume holds."},
    {"Access Modes", "string", "", "How the volume may be mounted."},
    {"Reclaim Policy", "string", "", "What becomes of the volume when its claim goes."},
    {"Status", "string", "", "Whether the volume is bound to a claim."},
    {"Claim", "string", "", "The claim the volume is bound to."},
    {"StorageClass", "string", "", "The class of the volume."},
    {"VolumeAttributesClass", "string", "", "The class of the volume's attributes."},
    {"Reason", "string", "", "Why the volume failed, in one word."},
    {"Age", "string", "", "How long ago the object was created."},
    {"VolumeMode", "string", "", "Filesystem or Block.", 1},
};

std::string modes_text(const std::vector<std::string>& modes) {
  static constexpr std::pair<std::string_view, std::string_view> names[] = {{"ReadWriteOnce", "RWO"},
                                                                            {"ReadOnlyMany", "ROX"},
                                                                            {"ReadWriteMany", "RWX"},
                                                                            {"ReadWriteOncePod", "RWOP"}};
  std::string out;
  for (auto& [mode, short_name] : names)
    if (std::find(modes.begin(), modes.end(), mode) != modes.end())
      out += (out.empty() ? "" : ",") + std::string{short_name};
  return out;
}

std::string storage_text(const quantity_map& amounts) {
  auto found = amounts.find("storage");
  auto parsed = quantity::parse(found == amounts.end() ? "0" : found->second);
  return parsed ? parsed->to_string() : found->second;
}

std::string or_unset(const std::string& text) {
  return text.empty() ? std::string{unset} : text;
}

json::array volume_cells(const object& obj, wall_time now) {
  auto& v = obj.as_persistent_volume();
  auto& claim = v.spec.claim_ref;
  return {v.metadata.name,
          storage_text(v.spec.capacity),
          modes_text(v.spec.access_modes),
          v.spec.persistent_volume_reclaim_policy,
          v.metadata.deletion_timestamp ? "Terminating" : v.status.phase,
          claim ? claim->namespace_ + "/" + claim->name : std::string{},
          v.spec.storage_class_name,
          unset,
          v.status.reason,
          age_cell(v.metadata.creation_timestamp, now),
          or_unset(v.spec.volume_mode)};
}

constexpr column claim_columns[] = {
    {"Name", "string", "name", "Name must be unique within a namespace."},
    {"Status", "string", "", "Whether the claim is bound to a volume."},
    {"Volume", "string", "", "The volume the claim is bound to."},
    {"Capacity", "string", "", "How much the volume holds."},
    {"Access Modes", "string", "", "How the volume may be mounted."},
    {"StorageClass", "string", "", "The class of volumes the claim asks for."},
    {"VolumeAttributesClass", "string", "", "The class of the volume's attributes."},
    {"Age", "string", "", "How long ago the object was created."},
    {"VolumeMode", "string", "", "Filesystem or Block.", 1},
};

json::array claim_cells(const object& obj, wall_time now) {
  auto& c = obj.as_persistent_volume_claim();
  bool named = !c.spec.volume_name.empty();
  return {c.metadata.name,
          c.metadata.deletion_timestamp ? "Terminating" : c.status.phase,
          c.spec.volume_name,
          named ? storage_text(c.status.capacity) : std::string{},
          named ? modes_text(c.status.access_modes) : std::string{},
          c.spec.storage_class_name.value_or(""),
          unset,
          age_cell(c.metadata.creation_timestamp, now),
          or_unset(c.spec.volume_mode)};
}

constexpr column class_columns[] = {
    {"Name", "string", "name", "Name must be unique."},
    {"Provisioner", "string", "", "Who makes the volumes of the class."},
    {"ReclaimPolicy", "string", "", "What becomes of a volume when its claim goes."},
    {"VolumeBindingMode", "string", "", "When a claim is bound: at once, or when a pod needs it."},
    {"AllowVolumeExpansion", "string", "", "Whether claims may grow."},
    {"Age", "string", "", "How long ago the object was created."},
};

json::array class_cells(const object& obj, wall_time now) {
  auto& c = obj.as_storage_class();
  auto name = c.metadata.name;
  for (auto key :
       {"storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"})
    if (auto found = c.metadata.annotations.find(key);
        found != c.metadata.annotations.end() && found->second == "true") {
      name += " (default)";
      break;
    }
  bool grows = obj.json().find("\"allowVolumeExpansion\":true") != std::string::npos;
  return {name,
          c.provisioner,
          c.reclaim_policy,
          c.volume_binding_mode,
          grows ? "true" : "false",
          age_cell(c.metadata.creation_timestamp, now)};
}

} // namespace

const table_printer config_map_printer{config_map_columns, config_map_cells};
const table_printer secret_printer{secret_columns, secret_cells};
const table_printer service_account_printer{account_columns, account_cells};
const table_printer volume_printer{volume_columns, volume_cells};
const table_printer claim_printer{claim_columns, claim_cells};
const table_printer storage_class_printer{class_columns, class_cells};

} // namespace podium::api
