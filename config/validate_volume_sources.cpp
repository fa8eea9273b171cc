#include "config/validate_volume_sources.hpp"

#include "core/quantity.hpp"

namespace podium::config {
namespace {

constexpr auto mode_text = "must be a number between 0 and 0777 (octal), both inclusive";
constexpr int64_t least_token_seconds = 600, most_token_seconds = int64_t{1} << 32;

const words volume_fields{"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace",
                          "metadata.uid"};

void validate_mode(const judged& in, std::string_view field) {
  if (!in.has(field)) return;
  if (auto mode = in.number(field); mode < 0 || mode > 0777) in.invalid(field, mode_text);
}

void validate_key(const judged& item) {
  item.needs("key");
  item.needs("path");
  item.format("path", check_unreserved_path);
  validate_mode(item, "mode");
}

// Kubernetes gives the path of the volume for what is wrong with one of its files.
void validate_file(const judged& item, const judged& source) {
  judged file{item.object(), source.path(), source.out()};
  file.needs("path");
  file.format("path", check_unreserved_path);
  file.with("fieldRef", [](const judged& ref) { validate_field_ref(ref, volume_fields); });
  if (!file.has("fieldRef"))
    file.with("resourceFieldRef", [](const judged& ref) { validate_resource_field_ref(ref, true); });
  if (file.has("fieldRef") && file.has("resourceFieldRef"))
    file.out().invalid(file.path(), "resource",
                       "fieldRef and resourceFieldRef can not be specified simultaneously");
  if (!file.has("fieldRef") && !file.has("resourceFieldRef"))
    file.out().required(file.path(), "one of fieldRef and resourceFieldRef is required");
  validate_mode(file, "mode");
}

/// The paths of a projected volume's files, over all of its sources.
class projected_paths {
public:
  explicit projected_paths(const judged& volume) : volume_(volume) {}

  void add(std::string_view path, std::string_view shown) {
    if (!path.empty() && !seen_.insert(path).second)
      volume_.out().invalid(volume_.path(), json::value(shown), "conflicting duplicate paths");
  }

private:
  const judged& volume_;
  std::set<std::string_view> seen_;
};

void validate_token(const judged& volume, const judged& token) {
  auto seconds = token.number("expirationSeconds");
  if (seconds < least_token_seconds)
    token.invalid("expirationSeconds", "may not specify a duration less than 10 minutes");
  if (seconds > most_token_seconds)
    token.invalid("expirationSeconds", "may not specify a duration larger than 2^32 seconds");
  auto path = token.text("path");
  if (path.empty())
    volume.out().required(volume.at("path"));
  else
    volume.out().invalid(volume.at("path"), json::value(path), check_unreserved_path(path));
}

void validate_trust_bundle(const judged& bundle, projected_paths& paths) {
  if (bundle.has("name") && bundle.has("signerName"))
    bundle.out().invalid(bundle.path(), json::value(bundle.object()),
                         "only one of name and signerName may be used");
  else if (!bundle.has("name") && !bundle.has("signerName"))
    bundle.out().required(bundle.path(), "either name or signerName must be specified");
  bundle.needs("path");
  bundle.format("path", check_unreserved_path);
  paths.add(bundle.text("path"), bundle.text("path"));
}

void validate_projection(const judged& volume, const judged& source, projected_paths& paths) {
  size_t found = 0;
  for (auto key : {"secret", "configMap"})
    source.with(key, [&](const judged& keys) {
      ++found;
      keys.needs("name");
      keys.each("items", [&](const judged& item, size_t) {
        validate_key(item);
        paths.add(item.text("path"), keys.text("name"));
      });
    });
  source.with("downwardAPI", [&](const judged& downward) {
    ++found;
    downward.each("items", [&](const judged& item, size_t) {
      validate_file(item, downward);
      paths.add(item.text("path"), item.text("path"));
    });
  });
  source.with("serviceAccountToken", [&](const judged& token) {
    ++found;
    validate_token(volume, token);
  });
  source.with("clusterTrustBundle", [&](const judged& bundle) {
    ++found;
    validate_trust_bundle(bundle, paths);
  });
  if (found > 1) source.out().forbidden(source.path(), "may not specify more than 1 volume type");
}

bool is_iscsi_name(std::string_view name) {
  auto all = [](std::string_view text, size_t size) {
    return text.size() == size && std::all_of(text.begin(), text.end(), [](char c) {
             return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
           });
  };
  if (name.starts_with("eui.")) return all(name.substr(4), 16);
  if (name.starts_with("naa.")) return all(name.substr(4), 32);
  auto digit = [&](size_t i) { return name[i] >= '0' && name[i] <= '9'; };
  // iqn.YYYY-MM.domain:target
  if (!name.starts_with("iqn.") || name.size() < 14) return false;
  for (size_t i : {4, 5, 6, 7, 9, 10})
    if (!digit(i)) return false;
  auto colon = name.find(':', 12);
  return name[8] == '-' && name[11] == '.' && colon != std::string_view::npos && colon > 12
         && colon + 1 < name.size() && name.find_first_of(",;*&$| \t\n", colon) == std::string_view::npos;
}

} // namespace

void validate_empty_dir(const judged& source) {
  auto limit = quantity::parse(source.text("sizeLimit"));
  if (!source.text("sizeLimit").empty() && limit && limit->sign() < 0)
    source.forbidden("sizeLimit", "SizeLimit field must be a valid resource quantity");
  // Kubernetes lets any word pass and the kubelet fails; said here, the pod need not wait for it.
  if (auto medium = source.text("medium");
      !medium.empty() && medium != "Memory" && !medium.starts_with("HugePages"))
    source.out().not_supported(source.at("medium"), medium, {"", "HugePages", "Memory"});
}

void validate_host_path(const judged& source) {
  source.needs("path");
  if (source.text("path").empty()) return;
  source.format("path", check_no_backsteps);
  source.choice("type", {"", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File",
                         "FileOrCreate", "Socket"});
}

void validate_git_repo(const judged& source) {
  source.format("directory", check_relative_path);
}

void validate_partition(const judged& source) {
  if (auto n = source.number("partition"); n < 0 || n > 255)
    source.invalid("partition", "must be between 1 and 255, inclusive");
}

void validate_nfs(const judged& source) {
  if (!source.text("path").starts_with('/'))
    source.out().invalid(source.at("path"), json::value(source.text("path")), "must be an absolute path");
}

void validate_iscsi(const judged& source) {
  auto starts = [](std::string_view name) {
    return name.starts_with("iqn") || name.starts_with("eui") || name.starts_with("naa");
  };
  if (auto iqn = source.text("iqn"); !iqn.empty() && !is_iscsi_name(iqn))
    source.invalid("iqn", starts(iqn) ? "must be valid format"
                                      : "must be valid format starting with iqn, eui, or naa");
  if (auto lun = source.number("lun"); lun < 0 || lun > 255)
    source.invalid("lun", "must be between 0 and 255, inclusive");
  if ((source.flag("chapAuthDiscovery") || source.flag("chapAuthSession")) && !source.has("secretRef"))
    source.out().required(source.at("secretRef"));
  if (auto name = source.text("initiatorName"); source.has("initiatorName") && !is_iscsi_name(name))
    source.out().invalid(source.at("initiatorname"), json::value(name),
                         starts(name) ? "must be valid format"
                                      : "must be valid format starting with iqn, eui, or naa");
}

void validate_flocker(const judged& source) {
  auto name = source.text("datasetName"), uuid = source.text("datasetUUID");
  if (name.empty() && uuid.empty())
    source.out().required(source.path(), "one of datasetName and datasetUUID is required");
  if (!name.empty() && !uuid.empty())
    source.out().invalid(source.path(), "resource",
                         "datasetName and datasetUUID can not be specified simultaneously");
  if (name.find('/') != std::string_view::npos) source.invalid("datasetName", "must not contain '/'");
}

void validate_monitors(const judged& source) {
  if (source.list("monitors").empty()) source.out().required(source.at("monitors"));
}

void validate_fibre_channel(const judged& source) {
  bool names = !source.list("targetWWNs").empty(), ids = !source.list("wwids").empty();
  if (!names && !ids)
    source.out().required(source.at("targetWWNs"), "must specify either targetWWNs or wwids, but not both");
  if (names && ids) source.invalid("targetWWNs", "targetWWNs and wwids can not be specified simultaneously");
  if (names && !source.has("lun"))
    source.out().required(source.at("lun"), "lun is required if targetWWNs is specified");
  else if (names)
    source.between("lun", 0, 255);
}

void validate_csi(const judged& source) {
  source.with("nodePublishSecretRef", [](const judged& ref) { ref.needs("name"); });
}

void validate_ephemeral_volume(const judged& source) {
  if (!source.has("volumeClaimTemplate")) source.out().required(source.at("volumeClaimTemplate"));
}

void validate_image_volume(const judged& source) {
  source.choice("pullPolicy", {"Always", "IfNotPresent", "Never"});
}

void validate_keys_volume(const judged& source) {
  validate_mode(source, "defaultMode");
  source.each("items", [](const judged& item, size_t) { validate_key(item); });
}

void validate_downward_volume(const judged& source) {
  validate_mode(source, "defaultMode");
  source.each("items", [&](const judged& item, size_t) { validate_file(item, source); });
}

void validate_projected(const judged& source) {
  validate_mode(source, "defaultMode");
  projected_paths paths{source};
  source.each("sources",
              [&](const judged& projection, size_t) { validate_projection(source, projection, paths); });
}

} // namespace podium::config
