// One SQLite file of rows with a revision: blocking calls for the thread that owns it.
#pragma once
#include "core/error.hpp"
#include "messages/runtime.hpp"

#include <memory>
#include <string>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace podium {

class sqlite_file {
public:
  /// Opens or makes the file (mode 0600, WAL, synchronous=FULL). Errors name the file and the cause: not a
  /// database, damaged, in use by another process, written by a newer podium.
  static caf::expected<std::unique_ptr<sqlite_file>> open(const std::string& path);
  ~sqlite_file();
  sqlite_file(const sqlite_file&) = delete;
  sqlite_file& operator=(const sqlite_file&) = delete;

  /// Writes all rows of all commits in one transaction and waits for the disk. Errors: no_space, io; nothing
  /// of it is stored then.
  caf::error commit(const std::vector<const store_commit*>& commits);
  /// Every row whose key begins with `prefix`, in the order of their keys. Error: io.
  caf::expected<store_rows> range(const std::string& prefix);
  /// The highest revision that was ever committed.
  uint64_t revision() const { return revision_; }
  /// Bounds the file (in pages of 4096 bytes); 0 is no bound. A commit that would pass it gets no_space.
  void limit_pages(int64_t pages);

private:
  sqlite_file() = default;
  caf::error prepare_schema();
  caf::error prepare_statements();
  caf::error execute(const char* sql);
  caf::error write(const store_commit& commit);
  caf::error failure(std::string_view doing) const;
  caf::expected<int64_t> number(const char* sql);

  std::string path_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt *put_ = nullptr, *remove_ = nullptr, *raise_ = nullptr, *range_ = nullptr;
  uint64_t revision_ = 0;
};

} // namespace podium
