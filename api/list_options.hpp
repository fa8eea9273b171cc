// What a list or watch asks for, and the token that names its next page.
#pragma once
#include "api/status.hpp"
#include "runtime/http/message.hpp"

#include <caf/expected.hpp>
#include <optional>
#include <string>

namespace podium::api {

/// Where a list goes on: the snapshot's version, the last key that was served, how many were.
struct page_token {
  uint64_t resource_version = 0; ///< 0: whatever is the latest, for who lives with an inconsistent rest
  std::string ns, name;
  uint64_t served = 0;

  std::string encode() const;
  static std::optional<page_token> decode(std::string_view text);
};

enum class version_match : uint8_t { unset, exact, not_older_than };

struct list_options {
  uint64_t limit = 0; ///< 0: everything
  std::optional<page_token> page;
  std::optional<uint64_t> resource_version; ///< unset: the latest
  version_match match = version_match::unset;
};

/// What is no number or no token is a 400, combinations that mean nothing are a 422. Source:
/// ValidateListOptions.
outcome<list_options> parse_list_options(const http_query& query);

/// `ListOptions.meta.k8s.io "" is invalid: …`.
failure invalid_list_options(const config::field_causes& causes);

/// A resourceVersion of a query: "" is unset. Error: errc::bad_request.
caf::expected<std::optional<uint64_t>> parse_resource_version(const http_query& query);

/// A whole number of a query, or unset. Error: errc::bad_request.
caf::expected<std::optional<int64_t>> parse_number(const http_query& query, std::string_view name);

} // namespace podium::api
