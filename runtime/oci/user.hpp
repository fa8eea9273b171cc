// Who a container's process runs as: the pod's numbers, or a name that the image's /etc/passwd explains.
#pragma once
#include "messages/pod.hpp"
#include <caf/expected.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace podium {

struct resolved_user {
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> groups; ///< supplementary
  std::string home;             ///< empty when /etc/passwd does not know the user
};

/// Decides by the container's security context, then the pod's, then the image's `user` ("name", "uid",
/// either with ":group"). `passwd` and `group` are the image's files. Errors: errc::container_config
/// (runAsNonRoot is not met), errc::container_create (a name that is not in the files).
caf::expected<resolved_user> resolve_user(const std::optional<security_context>& container,
                                          const std::optional<security_context>& pod,
                                          std::string_view image_user, std::string_view passwd,
                                          std::string_view group);

/// A file of an image by its absolute path, symbolic links resolved inside `root`; empty when there is none.
std::string read_in_root(const std::string& root, const std::string& path, size_t limit_bytes = 1 << 20);

} // namespace podium
