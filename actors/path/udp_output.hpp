#pragma once

#include "actors/messages/messages.hpp"
#include "actors/shard/shard.hpp"

#include <cstddef>
#include <vector>

namespace tonel::actors {

/// Sends a batch as runs, and counts. `runs` is scratch space of the caller's. Gives how many datagrams
/// were refused.
std::uint32_t send_datagrams(shard& where, sys::datagram_socket& socket, wire_to_app& batch,
                             std::vector<sys::outgoing_run>& runs);

/// Sends a batch by several sockets: each run by the next one in turn, from number `next` on, which
/// is advanced.
std::uint32_t send_datagrams(shard& where, const upstream_sockets& sockets, std::size_t& next,
                             wire_to_app& batch, std::vector<sys::outgoing_run>& runs);

} // namespace tonel::actors
