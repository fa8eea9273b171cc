// Validation of a pod's volumes: one source each, and what each source needs.
#include "config/judged.hpp"
#include "config/validate_volume_sources.hpp"
#include "core/quantity.hpp"

#include <array>

namespace podium::config {
namespace {

constexpr size_t most_source_fields = 3;

using source_rule = void (*)(const judged&);

/// One kind of volume: the texts it needs, and further rules.
struct source_row {
  std::string_view name;
  std::array<std::string_view, most_source_fields> needed = {};
  source_rule judge = nullptr;
  std::string_view shown = {}; ///< its name in the mistake "more than 1 volume type", where Kubernetes errs
};

// In the order in which Kubernetes looks: of two sources the later one is refused.
const source_row sources[] = {
    {"emptyDir", {}, validate_empty_dir},
    {"hostPath", {}, validate_host_path},
    {"gitRepo", {"repository"}, validate_git_repo},
    {"gcePersistentDisk", {"pdName"}, validate_partition},
    {"awsElasticBlockStore", {"volumeID"}, validate_partition},
    {"secret", {"secretName"}, validate_keys_volume},
    {"nfs", {"server", "path"}, validate_nfs},
    {"iscsi", {"targetPortal", "iqn"}, validate_iscsi},
    {"glusterfs", {"endpoints", "path"}},
    {"flocker", {}, validate_flocker},
    {"persistentVolumeClaim", {"claimName"}},
    {"rbd", {"image"}, validate_monitors},
    {"cinder", {"volumeID"}},
    {"cephfs", {}, validate_monitors, "cephFS"},
    {"quobyte", {"registry", "volume"}},
    {"downwardAPI", {}, validate_downward_volume, "downwarAPI"},
    {"fc", {}, validate_fibre_channel},
    {"flexVolume", {"driver"}},
    {"configMap", {"name"}, validate_keys_volume},
    {"azureFile", {"secretName", "shareName"}},
    {"vsphereVolume", {"volumePath"}},
    {"photonPersistentDisk", {"pdID"}},
    {"portworxVolume", {"volumeID"}},
    {"azureDisk", {"diskName", "diskURI"}},
    {"storageos", {}},
    {"projected", {}, validate_projected},
    {"scaleIO", {"gateway", "system", "volumeName"}},
    {"csi", {"driver"}, validate_csi},
    {"ephemeral", {}, validate_ephemeral_volume},
    {"image", {"reference"}, validate_image_volume},
};

void validate_sources(const judged& volume) {
  size_t found = 0;
  for (const auto& row : sources)
    volume.with(row.name, [&](const judged& source) {
      if (++found > 1)
        return volume.forbidden(row.shown.empty() ? row.name : row.shown,
                                "may not specify more than 1 volume type");
      for (auto field : row.needed)
        if (!field.empty()) source.needs(field);
      if (row.judge != nullptr) row.judge(source);
    });
  if (found == 0) volume.out().required(volume.path(), "must specify a volume type");
}

} // namespace

void validate_volumes(const judged& spec, pod_facts& facts) {
  std::set<std::string> made_claims;
  if (!facts.pod_name.empty())
    spec.each("volumes", [&](const judged& volume, size_t) {
      if (volume.has("ephemeral"))
        made_claims.insert(std::string{facts.pod_name} + "-" + std::string{volume.text("name")});
    });
  spec.each("volumes", [&](const judged& volume, size_t) {
    auto name = volume.text("name");
    auto before = volume.out().size();
    validate_sources(volume);
    if (volume.has("ephemeral") && !facts.pod_name.empty() && !name.empty()) {
      auto claim = std::string{facts.pod_name} + "-" + std::string{name};
      for (const auto& problem : check_dns_subdomain(claim))
        volume.invalid("name", "PVC name \"" + claim + "\": " + problem);
    }
    volume.needs_format("name", check_dns_label);
    if (facts.volumes.contains(name)) volume.out().duplicate(volume.at("name"), json::value(name));
    // A volume with mistakes is none: what mounts it does not find it.
    if (volume.out().size() == before)
      facts.volumes.emplace(name, volume.has("persistentVolumeClaim") || volume.has("ephemeral"));
    volume.with("persistentVolumeClaim", [&](const judged& claim) {
      if (made_claims.contains(std::string{claim.text("claimName")}))
        claim.invalid("claimName", "must not reference a PVC that gets created for an ephemeral volume");
    });
  });
}

} // namespace podium::config
