// Bearer tokens from a file in Kubernetes' static form: token,user,uid,"group1,group2".
#pragma once
#include "api/access.hpp"

#include <caf/expected.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace podium::api {

/// Users by the SHA-256 of their tokens: looking one up takes no longer the more of it is right.
using token_table = std::map<std::string, user_info, std::less<>>;

/// Reads the text of a token file. Error errc::bad_request with "line N: …".
caf::expected<token_table> parse_tokens(std::string_view text);

/// A token file, read again when it has changed. One thread at a time.
class token_file {
public:
  /// Errors: errc::io; errc::bad_request for what cannot be read, errc::forbidden when others may read it.
  static caf::expected<std::shared_ptr<token_file>> open(const std::string& path);

  /// Whose token it is. A file that cannot be used any more (gone, broken, readable by others) knows nobody
  /// until it can.
  std::optional<user_info> find(std::string_view token);

private:
  /// What tells one state of the file from another.
  struct mark {
    uint64_t device = 0, inode = 0, size = 0;
    int64_t modified_ns = 0;
    uint32_t mode = 0;
    bool operator==(const mark&) const = default;
  };

  explicit token_file(std::string path) : path_(std::move(path)) {}
  std::optional<mark> look() const;
  caf::error read();

  const std::string path_;
  std::optional<mark> seen_;
  token_table tokens_;
};

} // namespace podium::api
