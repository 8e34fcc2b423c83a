#pragma once

#include "actors/shard/config.hpp"
#include "actors/shard/tunnel_health.hpp"
#include "protocol/address.hpp"
#include "system/datagram_socket.hpp"

#include <memory>
#include <vector>

namespace tonel::actors {

/// A tunnel in one shard.
struct shard_tunnel {
  tunnel_ptr settings;
  std::shared_ptr<sys::datagram_socket> listener; ///< client: this shard's
  std::vector<protocol::endpoint> remotes; ///< in the order to try them; none: not resolved yet
  std::shared_ptr<tunnel_health> health = nullptr; ///< the process'
};

} // namespace tonel::actors
