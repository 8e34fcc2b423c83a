#pragma once

#include "actors/shard/shard.hpp"
#include "protocol/address.hpp"
#include "protocol/session/session_effects.hpp"

namespace tonel::actors {

/// Where a client's stream to there begins: a port of the shard; on the direct path also the address that
/// the host's routes say, with the connection's packets taken as long as the port is.
protocol::local_end take_local_end(shard& where, const protocol::endpoint& remote);

} // namespace tonel::actors
