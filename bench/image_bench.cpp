// Pulls an image into a store of its own as the daemon does, and says how long that took.
//   usage: image_bench ROOT REFERENCE...
// One line of JSON for each reference: seconds until the image can be used, and until it is on the disk too.
#include "core/error.hpp"
#include "runtime/image/image_store.hpp"
#include "runtime/process/launcher.hpp"

#include <chrono>
#include <cstdio>
#include <future>

using namespace podium;

namespace {

double seconds_since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

template <class T, class Start>
T await(event_loop& loop, Start start) {
  std::promise<T> answer;
  loop.post([&] { start([&](T x) { answer.set_value(std::move(x)); }); });
  return answer.get_future().get();
}

int failed(const caf::error& err) {
  std::fprintf(stderr, "image_bench: %s\n", message_of(err).c_str());
  return 1;
}

int run(event_loop& loop, image_store& store, int count, char** references) {
  if (auto err = await<caf::error>(loop, [&](auto done) { store.start(done); })) return failed(err);
  for (int i = 0; i < count; ++i) {
    auto begun = std::chrono::steady_clock::now();
    auto image =
        await<caf::expected<image_ptr>>(loop, [&](auto done) { store.pull(references[i], {}, done); });
    auto usable = seconds_since(begun);
    if (!image) return failed(image.error());
    if (auto err = await<caf::error>(loop, [&](auto done) { store.write_out(done); })) return failed(err);
    std::printf("{\"usable\": %.6f, \"durable\": %.6f, \"bytes\": %llu}\n", usable, seconds_since(begun),
                static_cast<unsigned long long>((*image)->size_bytes));
  }
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: image_bench ROOT REFERENCE...\n");
    return 2;
  }
  event_loop loop;
  int result = 0;
  {
    launcher children{loop};
    work_pool pool{loop, 4};
    image_settings settings;
    settings.root = argv[1];
    image_store store{loop, pool, children, settings};
    result = run(loop, store, argc - 2, argv + 2);
  }
  loop.stop();
  return result;
}
