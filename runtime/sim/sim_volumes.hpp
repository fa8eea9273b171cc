// The volume port and the token issuer of a simulated node: what was asked for is remembered, and fails by
// script.
#pragma once
#include "core/base_actor.hpp"
#include "messages/interfaces.hpp"

namespace podium {

/// The volumes of one node; outlives the actors that ask.
struct sim_volume_store {
  std::map<std::string, std::map<std::string, volume_wish>> pods; ///< as they are now, by pod uid and name
  std::map<std::string, std::string> errors;                      ///< why volumes of this name cannot be made
  std::map<std::string, int64_t> used_bytes;                      ///< of volumes, by name
  std::map<std::string, uint64_t> times_set;                      ///< how often set_volumes came, by pod uid
  std::map<std::string, uint64_t> times_made;                     ///< how often each volume was, by name
  std::map<std::string, clock_time> begun;                        ///< what is being made, by pod uid
  std::map<std::string, std::string> directories;                 ///< of persistent volumes, by volume name
  nanoseconds delay{0}; ///< until volumes are there, whoever asks again meanwhile
  uint64_t tokens_issued = 0;
  std::string token_error;   ///< why no token is given; "" is none
  nanoseconds token_life{0}; ///< of tokens; 0 is what was asked for
};

class sim_volumes final : public base_actor<volume_manager_actor> {
public:
  sim_volumes(caf::actor_config& cfg, env_ptr env, std::string path, std::shared_ptr<sim_volume_store> store);

protected:
  behavior_type handlers() override;

private:
  volumes_set set(const set_volumes& request);

  std::shared_ptr<sim_volume_store> store_;
};

/// Tokens are `token-1`, `token-2`, ...
class sim_tokens final : public base_actor<token_issuer_actor> {
public:
  sim_tokens(caf::actor_config& cfg, env_ptr env, std::string path, std::shared_ptr<sim_volume_store> store);

protected:
  behavior_type handlers() override;

private:
  std::shared_ptr<sim_volume_store> store_;
};

} // namespace podium
