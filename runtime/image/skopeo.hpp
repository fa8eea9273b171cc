// Command lines for skopeo, which copies images between registries and layouts, and what its errors mean.
#pragma once
#include "runtime/image/image_settings.hpp"
#include "runtime/image/reference.hpp"
#include <string>
#include <string_view>
#include <vector>

namespace podium {

/// Copies `source` into the layout `layout` (as "image"), all blobs into `blobs`. `layout_name` is the
/// entry's name in an oci: source. `auth_file` may be empty. Pure.
std::vector<std::string> skopeo_copy_command(const image_settings& settings, const image_source& source,
                                             const image_reference& reference, const std::string& layout_name,
                                             const std::filesystem::path& layout,
                                             const std::filesystem::path& blobs,
                                             const std::string& auth_file);

/// True for an oci: source; its path.
bool is_layout(const image_source& source);
std::filesystem::path layout_path(const image_source& source);

/// The one sentence in skopeo's stderr that says what went wrong, at most 1000 characters.
std::string skopeo_error(std::string_view stderr_text);

} // namespace podium
