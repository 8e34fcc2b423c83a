#pragma once

#include "actors/shard/config.hpp"
#include "protocol/address.hpp"
#include "system/datagram_socket.hpp"

#include <memory>
#include <optional>

namespace tonel::actors {

/// A tunnel in one shard.
struct shard_tunnel {
  tunnel_ptr settings;
  std::shared_ptr<sys::datagram_socket> listener; ///< client: this shard's
  std::optional<protocol::endpoint> remote;       ///< none: not resolved yet
};

} // namespace tonel::actors
