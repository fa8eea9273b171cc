#include "runtime/store/sqlite_file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

namespace podium {
namespace {

constexpr int64_t application_id = 0x706f6475; // "podu": tells our files from other databases
constexpr int64_t schema_version = 1;

/// The first text after all that begin with `prefix`; empty when there is none.
std::string after_prefix(std::string prefix) {
  while (!prefix.empty()) {
    if (auto& last = reinterpret_cast<unsigned char&>(prefix.back()); last != 0xff) {
      ++last;
      break;
    }
    prefix.pop_back();
  }
  return prefix;
}

int bind_bytes(sqlite3_stmt* statement, int at, const std::string& text) {
  return sqlite3_bind_blob64(statement, at, text.data() ? text.data() : "", text.size(), SQLITE_STATIC);
}

std::string column(sqlite3_stmt* statement, int at) {
  auto* data = static_cast<const char*>(sqlite3_column_blob(statement, at));
  return data ? std::string(data, static_cast<size_t>(sqlite3_column_bytes(statement, at))) : std::string{};
}

/// Makes a new file's name as durable as its content will be.
int sync_directory_of(const std::string& path) {
  auto slash = path.rfind('/');
  auto directory = slash == std::string::npos ? std::string{"."} : path.substr(0, slash + 1);
  auto fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  auto result = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  return result;
}

/// Ends a statement's use whatever happened to it.
struct statement_reset {
  sqlite3_stmt* statement;
  ~statement_reset() {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
  }
};

} // namespace

caf::error sqlite_file::failure(std::string_view doing) const {
  auto code = sqlite3_errcode(db_);
  auto system = sqlite3_system_errno(db_);
  auto full = code == SQLITE_FULL || (code == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT));
  auto text = "store " + path_ + ": " + std::string{doing} + ": ";
  switch (code) {
  case SQLITE_FULL:
    text += "the disk is full";
    break;
  case SQLITE_NOTADB:
    text += "the file is not a podium store; move it away to start with an empty one";
    break;
  case SQLITE_CORRUPT:
    text += "the file is damaged; restore it from a copy, or move it away to start with an empty one";
    break;
  case SQLITE_BUSY:
    text += "the file is in use by another process; is another podium running on it?";
    break;
  default:
    text += sqlite3_errmsg(db_);
  }
  return make_error(full ? errc::no_space : errc::io, text);
}

caf::error sqlite_file::execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return failure("cannot be prepared");
}

caf::expected<int64_t> sqlite_file::number(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr) != SQLITE_OK) return failure("cannot be read");
  auto rc = sqlite3_step(statement);
  auto value = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) return failure("cannot be read");
  return value;
}

caf::expected<std::unique_ptr<sqlite_file>> sqlite_file::open(const std::string& path) {
  // Made here, so that no other mode is ever seen; SQLite gives its WAL files the mode of the main file.
  auto fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return errno_error("store " + path + " cannot be opened", errno);
  auto denied = ::fchmod(fd, 0600) != 0 ? errno : 0;
  ::close(fd);
  if (denied) return errno_error("store " + path + " cannot be made private (mode 0600)", denied);

  if (auto unsynced = sync_directory_of(path))
    return errno_error("store " + path + ": its directory cannot be synced", unsynced);

  std::unique_ptr<sqlite_file> file{new sqlite_file};
  file->path_ = path;
  auto flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(path.c_str(), &file->db_, flags, nullptr) != SQLITE_OK) {
    if (!file->db_) return make_error(errc::internal, "store " + path + ": out of memory");
    return file->failure("cannot be opened");
  }
  sqlite3_extended_result_codes(file->db_, 0);
  sqlite3_busy_timeout(file->db_, 2'000);
  if (auto err = file->prepare_schema()) return err;
  if (auto err = file->prepare_statements()) return err;
  return file;
}

caf::error sqlite_file::prepare_schema() {
  // One process owns the file: the exclusive lock is held from the first access until it is closed.
  if (auto err = execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                         "PRAGMA wal_autocheckpoint=1000; PRAGMA cache_size=-2048; BEGIN EXCLUSIVE;"))
    return err;
  auto id = number("PRAGMA application_id");
  auto version = number("PRAGMA user_version");
  auto tables = number("SELECT count(*) FROM sqlite_schema");
  if (!id) return id.error();
  if (!version) return version.error();
  if (!tables) return tables.error();
  if (*tables > 0 && *id != application_id)
    return make_error(errc::io, "store " + path_ + ": the file is another program's database");
  if (*version > schema_version)
    return make_error(errc::io, "store " + path_ + ": written by a newer podium (schema "
                                    + std::to_string(*version) + ", this one knows "
                                    + std::to_string(schema_version) + ")");
  if (*tables == 0)
    if (auto err =
            execute("PRAGMA application_id=0x706f6475; PRAGMA user_version=1;"
                    "CREATE TABLE row (key BLOB PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL);"
                    "CREATE TABLE mark (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL);"
                    "INSERT INTO mark VALUES (1, 0);"))
      return err;
  if (auto err = execute("COMMIT")) return err;
  auto mark = number("SELECT revision FROM mark");
  if (!mark) return mark.error();
  revision_ = static_cast<uint64_t>(*mark);
  return {};
}

caf::error sqlite_file::prepare_statements() {
  auto prepare = [&](const char* sql, sqlite3_stmt*& out) {
    return sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &out, nullptr) == SQLITE_OK;
  };
  if (prepare("INSERT INTO row VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET value = ?2, revision = ?3",
              put_)
      && prepare("DELETE FROM row WHERE key = ?1", remove_)
      && prepare("UPDATE mark SET revision = max(revision, ?1)", raise_)
      && prepare(
          "SELECT key, value, revision FROM row WHERE key >= ?1 AND (?2 = x'' OR key < ?2) ORDER BY key",
          range_))
    return {};
  return failure("cannot be prepared");
}

sqlite_file::~sqlite_file() {
  for (auto* statement : {put_, remove_, raise_, range_})
    sqlite3_finalize(statement);
  sqlite3_close(db_);
}

void sqlite_file::limit_pages(int64_t pages) {
  auto sql = "PRAGMA max_page_count=" + std::to_string(pages > 0 ? pages : 0xfffffffeLL);
  sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
}

caf::error sqlite_file::write(const store_commit& commit) {
  for (auto& row : commit.rows) {
    auto* statement = row.value.empty() ? remove_ : put_;
    statement_reset reset{statement};
    auto rc = bind_bytes(statement, 1, row.key);
    if (rc == SQLITE_OK && statement == put_) rc = bind_bytes(statement, 2, row.value);
    if (rc == SQLITE_OK && statement == put_)
      rc = sqlite3_bind_int64(statement, 3, static_cast<int64_t>(row.revision));
    if (rc != SQLITE_OK || sqlite3_step(statement) != SQLITE_DONE) return failure("cannot be written");
  }
  return {};
}

caf::error sqlite_file::commit(const std::vector<const store_commit*>& commits) {
  auto highest = revision_;
  for (auto* commit : commits)
    for (auto& row : commit->rows)
      highest = std::max(highest, row.revision);
  auto attempt = [&]() -> caf::error {
    if (sqlite3_exec(db_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) != SQLITE_OK)
      return failure("cannot be written");
    for (auto* commit : commits)
      if (auto err = write(*commit)) return err;
    if (highest != revision_) {
      statement_reset reset{raise_};
      sqlite3_bind_int64(raise_, 1, static_cast<int64_t>(highest));
      if (sqlite3_step(raise_) != SQLITE_DONE) return failure("cannot be written");
    }
    if (sqlite3_exec(db_, "COMMIT", nullptr, nullptr, nullptr) != SQLITE_OK)
      return failure("cannot be written");
    return {};
  };
  if (auto err = attempt()) {
    if (!sqlite3_get_autocommit(db_)) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    return err;
  }
  revision_ = highest;
  return {};
}

caf::expected<store_rows> sqlite_file::range(const std::string& prefix) {
  store_rows out;
  auto end = after_prefix(prefix);
  statement_reset reset{range_};
  if (bind_bytes(range_, 1, prefix) != SQLITE_OK || bind_bytes(range_, 2, end) != SQLITE_OK)
    return failure("cannot be read");
  int rc;
  while ((rc = sqlite3_step(range_)) == SQLITE_ROW)
    out.rows.push_back(
        {column(range_, 0), column(range_, 1), static_cast<uint64_t>(sqlite3_column_int64(range_, 2))});
  if (rc != SQLITE_DONE) return failure("cannot be read");
  out.revision = revision_;
  return out;
}

} // namespace podium
