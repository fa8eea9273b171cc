// How many messages a second one core delivers in simulation, with and without the trace hash.
//   sim_bench [--quick]
// One line a figure: name<TAB>value<TAB>budget, as bench/e2e.py reads them.
#include "core/described.hpp"
#include "runtime/sim/deterministic_system.hpp"

#include <chrono>
#include <cstdio>
#include <string_view>

using namespace podium;
using namespace std::chrono_literals;

namespace podium::bench {

using podium::inspect; // found by its arguments' namespace

struct ball {
  int64_t hops = 0;
  std::string pod_uid = "0b1c4a52-6f0e-4b44-9d2b-3f1a5c7e9d10";
};
BOOST_DESCRIBE_STRUCT(ball, (), (hops, pod_uid))

using player_actor = caf::typed_actor<caf::reacts_to<ball>>;

/// Returns the ball to its partner until it has made its hops.
struct player : base_actor<player_actor> {
  player(caf::actor_config& cfg, env_ptr e, std::string p, player_actor first_partner)
      : base_actor(cfg, std::move(e), std::move(p)), partner(std::move(first_partner)) {}
  player_actor partner;
  void ended() override { partner = nullptr; }
  behavior_type handlers() override {
    return {[this](const ball& b) {
      auto thrower = caf::actor_cast<player_actor>(this->current_sender());
      auto& to = partner ? partner : thrower;
      if (b.hops > 0 && to) this->send(to, ball{b.hops - 1, b.pod_uid});
    }};
  }
};

struct ticker : base_actor<player_actor> {
  ticker(caf::actor_config& cfg, env_ptr e, std::string p, nanoseconds every, uint64_t* ticks)
      : base_actor(cfg, std::move(e), std::move(p)), period(every), count(ticks) {}
  nanoseconds period;
  uint64_t* count;
  void on_start() override {
    after(period, [this] {
      ++*count;
      on_start();
    });
  }
  behavior_type handlers() override {
    return {[](const ball&) {}};
  }
};

struct figure {
  uint64_t messages = 0;
  double wall_seconds = 0, virtual_seconds = 0;
};

template <class Run>
figure measure(simulation_options options, Run run) {
  deterministic_system sim{options};
  auto before = std::chrono::steady_clock::now();
  run(sim);
  std::chrono::duration<double> wall = std::chrono::steady_clock::now() - before;
  return {sim.messages(), wall.count(), std::chrono::duration<double>(sim.elapsed()).count()};
}

struct size {
  int64_t hops = 2'000'000;
  nanoseconds ticking = 4h;
};

figure ping_pong(simulation_options options, const size& amount) {
  return measure(options, [&](deterministic_system& sim) {
    auto pong = sim.spawn<player>("node/edge-1/pong", player_actor{});
    auto ping = sim.spawn<player>("node/edge-1/ping", pong);
    caf::anon_send(ping, ball{amount.hops});
    sim.run_ready();
  });
}

figure tickers(simulation_options options, const size& amount) {
  return measure(options, [&](deterministic_system& sim) {
    uint64_t ticks = 0;
    for (int i = 0; i < 1000; ++i)
      sim.spawn<ticker>("ticker/" + std::to_string(i), 10s + i * 10ms, &ticks);
    sim.run_for(amount.ticking);
  });
}

void print(const char* name, const figure& f) {
  std::printf("simulation, %s\t%.2f M messages/s", name,
              static_cast<double>(f.messages) / f.wall_seconds / 1e6);
  if (f.virtual_seconds > 1) std::printf(", %.0f × real time", f.virtual_seconds / f.wall_seconds);
  std::printf(" (%llu in %.2f s)\t≥ 1 M messages/s a core\n", static_cast<unsigned long long>(f.messages),
              f.wall_seconds);
  std::fflush(stdout);
}

} // namespace podium::bench

int main(int argc, char** argv) {
  using namespace podium::bench;
  size amount;
  if (argc > 1 && std::string_view{argv[1]} == "--quick") amount = {500'000, 1h};
  simulation_options plain{.shuffle = false, .permute_timers = false, .hashing = false};
  simulation_options hashed{.shuffle = false, .permute_timers = false};
  simulation_options explored{};
  print("2-actor ping-pong, no hash", ping_pong(plain, amount));
  print("2-actor ping-pong, hash", ping_pong(hashed, amount));
  print("2-actor ping-pong, hash and shuffle", ping_pong(explored, amount));
  print("1,000 tickers, no hash", tickers(plain, amount));
  print("1,000 tickers, hash", tickers(hashed, amount));
  print("1,000 tickers, hash and shuffle", tickers(explored, amount));
}
