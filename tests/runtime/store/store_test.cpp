#include "core/error.hpp"
#include "runtime/store/memory_store.hpp"
#include "runtime/store/sqlite_file.hpp"
#include "runtime/store/sqlite_store.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace podium;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct directory {
  fs::path path;
  directory() {
    auto pattern = (fs::temp_directory_path() / "podium-store-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~directory() { fs::remove_all(path); }
  std::string file() const { return (path / "store.db").string(); }
};

template <class T>
std::string why(const caf::expected<T>& x) {
  return x ? std::string{} : message_of(x.error());
}

enum class kind { memory, sqlite };
std::ostream& operator<<(std::ostream& out, kind k) {
  return out << (k == kind::memory ? "memory" : "sqlite");
}

/// A store of either kind that can be closed and opened again.
struct world {
  directory dir;
  kind what;
  std::shared_ptr<memory_disk> disk = std::make_shared<memory_disk>();
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg};
  env_ptr env = std::make_shared<actor_env>(1);
  store_actor store;

  explicit world(kind k) : what(k) { open(); }
  ~world() { close(); }
  void open() {
    if (what == kind::memory) {
      store = spawn_memory_store(sys, env, disk);
    } else {
      auto opened = spawn_sqlite_store(sys, env, dir.file());
      BOOST_REQUIRE_MESSAGE(opened, why(opened));
      store = *opened;
    }
  }
  void close() {
    caf::anon_send_exit(store, caf::exit_reason::user_shutdown);
    store = nullptr;
    sys.await_all_actors_done();
  }
  caf::error commit(std::vector<store_put> rows) {
    caf::scoped_actor self{sys};
    caf::error out;
    self->request(store, 10s, store_commit{std::move(rows)})
        .receive([](ack) {}, [&](caf::error& e) { out = e; });
    return out;
  }
  store_rows range(std::string prefix) {
    caf::scoped_actor self{sys};
    store_rows out;
    self->request(store, 10s, store_range{std::move(prefix)})
        .receive([&](store_rows& rows) { out = std::move(rows); },
                 [&](caf::error& e) { BOOST_ERROR(message_of(e)); });
    return out;
  }
};

std::string text(const store_rows& rows) {
  std::string out;
  for (auto& r : rows.rows)
    out += r.key + "=" + r.value + "@" + std::to_string(r.revision) + " ";
  return out + "#" + std::to_string(rows.revision);
}

const std::array both{kind::memory, kind::sqlite};

} // namespace

BOOST_AUTO_TEST_SUITE(store_suite)

BOOST_DATA_TEST_CASE(rows_are_put_replaced_removed_and_found_by_prefix, both, k) {
  world w{k};
  BOOST_TEST(text(w.range("")) == "#0");
  BOOST_TEST(!w.commit({{"/a/1", "x", 1}, {"/a/2", "y", 2}, {"/b/1", "z", 3}, {"/a", "top", 4}}));
  BOOST_TEST(!w.commit({{"/a/1", "x2", 5}, {"/b/1", "", 6}}));
  BOOST_TEST(text(w.range("/a/")) == "/a/1=x2@5 /a/2=y@2 #6");
  BOOST_TEST(text(w.range("")) == "/a=top@4 /a/1=x2@5 /a/2=y@2 #6");
  BOOST_TEST(text(w.range("/b")) == "#6");
}

BOOST_DATA_TEST_CASE(keys_and_values_are_bytes, both, k) {
  world w{k};
  std::string odd{"k\xff\xff"}, zero("v\0w", 3);
  BOOST_TEST(!w.commit({{odd, zero, 1}, {"k\xff", "a", 2}, {"l", "b", 3}}));
  auto rows = w.range("k\xff").rows;
  BOOST_REQUIRE(rows.size() == 2u);
  BOOST_TEST(rows[1].key == odd);
  BOOST_TEST((rows[1].value == zero));
}

BOOST_DATA_TEST_CASE(what_was_acknowledged_is_there_when_opened_again, both, k) {
  world w{k};
  BOOST_TEST(!w.commit({{"/a", "x", 7}, {"/b", "y", 8}}));
  BOOST_TEST(!w.commit({{"/b", "", 9}}));
  w.close();
  w.open();
  // The revision does not go back although the row that carried it is gone.
  BOOST_TEST(text(w.range("/")) == "/a=x@7 #9");
}

BOOST_DATA_TEST_CASE(an_old_revision_does_not_lower_the_mark, both, k) {
  world w{k};
  BOOST_TEST(!w.commit({{"/a", "x", 100}}));
  BOOST_TEST(!w.commit({{"/b", "y", 50}}));
  BOOST_TEST(w.range("/none").revision == 100u);
}

BOOST_DATA_TEST_CASE(what_may_wait_is_written_alone_or_in_its_place_before_what_comes_next, both, k) {
  world w{k};
  caf::scoped_actor self{w.sys};
  self->request(w.store, 10s, store_commit{{{"/k", "alone", 1}}, true})
      .receive([](ack) {}, [](caf::error& e) { BOOST_ERROR(message_of(e)); });
  for (uint64_t i = 2; i <= 20; ++i)
    self->send(w.store, store_commit{{{"/k", std::to_string(i), i}}, i % 3 != 0});
  BOOST_TEST(text(w.range("/")) == "/k=20@20 #20"); // a question is urgent, too
  int acknowledged = 0;
  self->receive_for(acknowledged, 19)([](ack) {});
}

BOOST_DATA_TEST_CASE(many_commits_at_once_are_all_answered_in_order, both, k) {
  world w{k};
  {
    caf::scoped_actor self{w.sys};
    int acknowledged = 0;
    for (uint64_t i = 1; i <= 500; ++i)
      self->send(w.store, store_commit{{{"/k", std::to_string(i), i}}});
    self->receive_for(acknowledged, 500)([](ack) {});
  }
  BOOST_TEST(text(w.range("/")) == "/k=500@500 #500");
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_told_apart_and_does_not_end_the_store) {
  directory dir;
  auto file = sqlite_file::open(dir.file());
  BOOST_REQUIRE(file);
  auto& db = **file;
  store_commit small{{{"/s", "x", 1}}}, big{{{"/t", "y", 2}, {"/big", std::string(1 << 20, 'b'), 3}}};
  BOOST_TEST(!db.commit({&small}));
  db.limit_pages(20);
  auto err = db.commit({&small, &big});
  BOOST_TEST((code_of(err) == errc::no_space));
  BOOST_TEST(message_of(err) == "store " + dir.file() + ": cannot be written: the disk is full");
  BOOST_TEST(text(*db.range("/")) == "/s=x@1 #1");
  db.limit_pages(0);
  BOOST_TEST(!db.commit({&big}));
  BOOST_TEST(db.range("/")->rows.size() == 3u);
}

BOOST_AUTO_TEST_CASE(what_a_full_disk_refuses_takes_nothing_along) {
  world w{kind::sqlite};
  w.close();
  auto file = sqlite_file::open(w.dir.file());
  BOOST_REQUIRE(file);
  (*file)->limit_pages(20);
  w.store = spawn_sqlite_store(w.sys, w.env, std::move(*file));
  caf::scoped_actor self{w.sys};
  auto big = self->request(w.store, 10s, store_commit{{{"/big", std::string(1 << 20, 'b'), 1}}, true});
  auto small = self->request(w.store, 10s, store_commit{{{"/s", "x", 2}}});
  big.receive([](ack) { BOOST_ERROR("there was room"); },
              [](caf::error& e) { BOOST_TEST((code_of(e) == errc::no_space)); });
  small.receive([](ack) {}, [](caf::error& e) { BOOST_ERROR(message_of(e)); });
  BOOST_TEST(text(w.range("/")) == "/s=x@2 #2");
}

BOOST_AUTO_TEST_CASE(the_file_is_private_and_one_process_owns_it) {
  directory dir;
  auto file = sqlite_file::open(dir.file());
  BOOST_REQUIRE(file);
  struct stat info {};
  BOOST_REQUIRE(::stat(dir.file().c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 0777) == 0600u);
  for (auto& entry : fs::directory_iterator(dir.path))
    BOOST_TEST(((entry.status().permissions() & fs::perms{077}) == fs::perms::none));
  auto second = sqlite_file::open(dir.file());
  BOOST_REQUIRE(!second);
  BOOST_TEST(message_of(second.error()).find("in use by another process") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(files_that_are_no_store_are_refused_with_the_cause) {
  directory dir;
  auto refusal = [&] { return why(sqlite_file::open(dir.file())); };
  std::ofstream(dir.file()) << std::string(8192, 'x');
  BOOST_TEST(refusal().find("not a podium store") != std::string::npos);

  fs::remove(dir.file());
  BOOST_TEST(refusal() == "");
  {
    std::fstream f(dir.file(), std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(60); // user_version of the header, big endian
    f.write("\0\0\0\x09", 4);
  }
  BOOST_TEST(refusal().find("written by a newer podium (schema 9") != std::string::npos);

  auto missing = sqlite_file::open((dir.path / "none" / "store.db").string());
  BOOST_REQUIRE(!missing);
  BOOST_TEST(message_of(missing.error()).find("No such file") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_damaged_file_gives_an_error_and_no_rows) {
  directory dir;
  {
    auto file = sqlite_file::open(dir.file());
    BOOST_REQUIRE(file);
    store_commit commit;
    for (uint64_t i = 0; i < 200; ++i)
      commit.rows.push_back({"/k" + std::to_string(i), std::string(500, 'v'), i + 1});
    BOOST_TEST(!(*file)->commit({&commit}));
  }
  {
    std::fstream f(dir.file(), std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(4096);
    std::string junk(5 * 4096, '\x5a');
    f.write(junk.data(), static_cast<std::streamsize>(junk.size()));
  }
  auto file = sqlite_file::open(dir.file());
  auto err = file ? caf::error{} : file.error();
  if (file) {
    auto rows = (*file)->range("/");
    BOOST_REQUIRE(!rows);
    err = rows.error();
  }
  BOOST_TEST(message_of(err).find("damaged") != std::string::npos);
}

namespace {

/// Writes rows until it is killed; a row's number goes into the pipe only after its commit.
[[noreturn]] void write_until_killed(const std::string& path, int pipe) {
  auto file = sqlite_file::open(path);
  if (!file) ::_exit(1);
  auto first = (*file)->revision() + 1;
  for (uint64_t i = first;; ++i) {
    store_commit one{{{"/row/" + std::to_string(i), std::string(200, 'x'), i}}};
    if ((*file)->commit({&one})) ::_exit(2);
    if (::write(pipe, &i, sizeof i) != sizeof i) ::_exit(3);
  }
}

} // namespace

BOOST_AUTO_TEST_CASE(kill_9_loses_nothing_that_was_acknowledged) {
  directory dir;
  std::vector<uint64_t> acknowledged;
  for (int round = 0; round < 5; ++round) {
    int ends[2];
    BOOST_REQUIRE(::pipe(ends) == 0);
    auto child = ::fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) write_until_killed(dir.file(), ends[1]);
    ::close(ends[1]);
    uint64_t row = 0;
    for (int n = 0; n < 30 + 17 * round && ::read(ends[0], &row, sizeof row) == sizeof row; ++n)
      acknowledged.push_back(row);
    ::kill(child, SIGKILL);
    while (::read(ends[0], &row, sizeof row) == sizeof row)
      acknowledged.push_back(row);
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    BOOST_TEST(WIFSIGNALED(status));

    auto file = sqlite_file::open(dir.file());
    BOOST_REQUIRE_MESSAGE(file, why(file));
    std::set<uint64_t> stored;
    auto rows = (*file)->range("/row/");
    BOOST_REQUIRE(rows);
    for (auto& r : rows->rows)
      stored.insert(r.revision);
    for (auto r : acknowledged)
      BOOST_REQUIRE(stored.count(r) == 1);
    BOOST_TEST(rows->revision >= acknowledged.back());
    BOOST_TEST(acknowledged.size() >= static_cast<size_t>(30 * (round + 1)));
  }
}

BOOST_AUTO_TEST_SUITE_END()
