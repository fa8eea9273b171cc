// OCI documents: the layout's index, image manifests, image configurations. Bounds and types are checked.
#pragma once
#include "runtime/image/image_record.hpp"
#include <caf/expected.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podium {

/// Bound for any one of these documents.
constexpr size_t max_document_bytes = 4 << 20;

struct blob_descriptor {
  std::string media_type;
  std::string digest; ///< a checked "sha256:…"
  int64_t size_bytes = 0;
  std::string ref_name; ///< annotation org.opencontainers.image.ref.name
};

struct image_manifest {
  blob_descriptor config;
  std::vector<blob_descriptor> layers; ///< lowest first
};

struct image_document {
  image_config config;
  std::vector<std::string> diff_ids; ///< lowest first
};

/// Parses a layout's index.json. Errors of all three: errc::image_pull, with what is wrong.
caf::expected<std::vector<blob_descriptor>> parse_layout_index(std::string_view json);
caf::expected<image_manifest> parse_manifest(std::string_view json);
caf::expected<image_document> parse_image_document(std::string_view json);

/// The entry of a layout's index that `name` ("docker.io/library/busybox"), `tag` or `digest` means: by full
/// name, by bare tag, or by digest.
std::optional<blob_descriptor> find_in_layout(const std::vector<blob_descriptor>& index,
                                              const std::string& name, const std::string& tag,
                                              const std::string& digest);

} // namespace podium
