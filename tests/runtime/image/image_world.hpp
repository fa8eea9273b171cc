// A store with real skopeo and a local layout as the mirror of docker.io, for the image store's tests.
#pragma once
#include "core/error.hpp"
#include "runtime/image/image_store.hpp"
#include "runtime/process/launcher.hpp"
#include "test_layout.hpp"
#include <barrier>
#include <boost/test/unit_test.hpp>
#include <future>
#include <optional>
#include <set>

namespace podium::test {

struct world {
  temporary_directory dir;
  layout mirror{dir.path / "mirror"};
  event_loop loop;
  std::optional<launcher> children;
  std::optional<work_pool> pool;
  std::optional<image_store> store;
  image_settings settings;

  world() {
    settings.root = dir.path / "store";
    settings.registries["docker.io"] = {.mirrors = {{.location = "oci:" + mirror.path.string()}},
                                        .fall_back = false};
    children.emplace(loop);
    pool.emplace(loop, 2);
  }
  ~world() {
    store.reset();
    pool.reset();
    children.reset();
    loop.stop();
  }

  void open() {
    store.reset();
    store.emplace(loop, *pool, *children, settings);
    auto err = wait<caf::error>([&](auto done) { store->start(done); });
    BOOST_REQUIRE_MESSAGE(!err, message_of(err));
  }

  template <class T, class F>
  T wait(F start) {
    std::promise<T> answer;
    loop.post([&] { start([&](T x) { answer.set_value(std::move(x)); }); });
    return answer.get_future().get();
  }
  caf::expected<image_ptr> pull(const std::string& ref, const std::vector<registry_login>& logins = {}) {
    return wait<caf::expected<image_ptr>>([&](auto done) { store->pull(ref, logins, done); });
  }
  caf::error remove(const std::string& id, std::set<std::string> in_use = {}) {
    return wait<caf::error>([&](auto done) { store->remove(id, in_use, done); });
  }
  caf::error write_out() {
    return wait<caf::error>([&](auto done) { store->write_out(done); });
  }
  caf::expected<image_ptr> find(const std::string& ref) {
    caf::expected<image_ptr> found{caf::error{}};
    loop.run([&] { found = store->find(ref); });
    return found;
  }
  size_t count(const char* sub) const {
    std::error_code ec;
    size_t n = 0;
    for (fs::directory_iterator i{settings.root / sub, ec}, end; i != end; ++i)
      ++n;
    return n;
  }
  // Clean-up after a pull runs in the pool: once both threads have met, what came before is done.
  void settle() {
    // Shared: the slower thread still looks at it when the faster one has told us.
    auto both = std::make_shared<std::barrier<>>(2);
    for (int i = 0; i < 2; ++i)
      BOOST_REQUIRE(pool->submit([both] { both->arrive_and_wait(); }, {}));
    auto done = std::make_shared<std::promise<void>>();
    BOOST_REQUIRE(pool->submit([done] { done->set_value(); }, {}));
    done->get_future().get();
  }
};

inline std::string why(const caf::expected<image_ptr>& x) {
  return x ? "no error" : message_of(x.error());
}

} // namespace podium::test
