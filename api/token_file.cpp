#include "api/token_file.hpp"

#include "core/error.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <openssl/sha.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

namespace podium::api {
namespace {

constexpr off_t max_file_bytes = 4 * 1024 * 1024;

std::string digest(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> out{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
  return {out.begin(), out.end()};
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return std::string{text};
}

/// The columns of one line of CSV; quotes hold commas together, two of them stand for one. Nothing for a
/// quote that does not end.
std::optional<std::vector<std::string>> columns_of(std::string_view line) {
  std::vector<std::string> out{""};
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"')
      out.back() += line[++i];
    else if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      out.emplace_back();
    else
      out.back() += c;
  }
  if (quoted) return {};
  return out;
}

std::vector<std::string> groups_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    auto comma = std::min(text.find(','), text.size());
    if (auto group = trimmed(text.substr(0, comma)); !group.empty()) out.push_back(std::move(group));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

} // namespace

caf::expected<token_table> parse_tokens(std::string_view text) {
  token_table out;
  for (size_t number = 1; !text.empty(); ++number) {
    auto end = std::min(text.find('\n'), text.size());
    auto line = trimmed(text.substr(0, end));
    if (line.ends_with('\r')) line.pop_back();
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    auto wrong = [&](const std::string& why) {
      return make_error(errc::bad_request, "line " + std::to_string(number) + ": " + why);
    };
    auto columns = columns_of(line);
    if (!columns) return wrong("a quote does not end");
    if (columns->size() < 3 || columns->size() > 4)
      return wrong("token,user,uid or token,user,uid,\"group1,group2\" is wanted; there are "
                   + std::to_string(columns->size()) + " columns");
    auto token = trimmed((*columns)[0]);
    user_info user{trimmed((*columns)[1]), trimmed((*columns)[2]), {}, {}};
    if (columns->size() == 4) user.groups = groups_of((*columns)[3]);
    if (token.empty()) return wrong("the token is empty");
    if (user.name.empty()) return wrong("the user has no name");
    if (!out.emplace(digest(token), std::move(user)).second) return wrong("the token stands there already");
  }
  return out;
}

caf::expected<std::shared_ptr<token_file>> token_file::open(const std::string& path) {
  auto out = std::shared_ptr<token_file>(new token_file(path));
  out->seen_ = out->look();
  if (auto err = out->read()) return err;
  return out;
}

std::optional<token_file::mark> token_file::look() const {
  struct stat facts {};
  if (::stat(path_.c_str(), &facts) != 0) return {};
  return mark{facts.st_dev, facts.st_ino, static_cast<uint64_t>(facts.st_size),
              int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec, facts.st_mode};
}

caf::error token_file::read() {
  tokens_.clear();
  auto fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno_error("the token file " + path_ + " cannot be opened", errno);
  struct stat facts {};
  std::string text;
  caf::error err;
  if (::fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode))
    err = make_error(errc::bad_request, "the token file " + path_ + " is no file");
  else if (facts.st_mode & 077)
    err =
        make_error(errc::forbidden, "the token file " + path_ + " can be read by others: chmod 600 " + path_);
  else if (facts.st_size > max_file_bytes)
    err = make_error(errc::bad_request, "the token file " + path_ + " is larger than 4 MiB");
  else {
    text.resize(static_cast<size_t>(facts.st_size));
    auto n = ::pread(fd, text.data(), text.size(), 0);
    if (n < 0) err = errno_error("the token file " + path_ + " cannot be read", errno);
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  }
  ::close(fd);
  if (err) return err;
  auto parsed = parse_tokens(text);
  if (!parsed) return make_error(code_of(parsed.error()), path_ + ": " + message_of(parsed.error()));
  tokens_ = std::move(*parsed);
  return {};
}

std::optional<user_info> token_file::find(std::string_view token) {
  if (auto now = look(); now != seen_) {
    seen_ = now;
    if (auto err = read()) spdlog::error("no bearer token is known: {}", message_of(err));
  }
  auto i = tokens_.find(digest(token));
  return i == tokens_.end() ? std::nullopt : std::optional{i->second};
}

} // namespace podium::api
