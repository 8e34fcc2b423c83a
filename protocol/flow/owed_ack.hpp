#pragma once

#include "protocol/time.hpp"

#include <chrono>
#include <cstdint>

namespace tonel::protocol::flow {

/// How long an ACK may wait for a datagram to carry it. An entry with one unacknowledged octet has
/// minutes to live in a tracker, and its days back only after an ack of exactly the highest.
/// DEVIATION RFC 9293 §3.8.6.3: for 1 s and 4 MiB, as nothing is sent again anyway.
inline constexpr duration delayed_ack = std::chrono::seconds{1};
/// As long as an ACK is owed, a stranger has that many more numbers to guess among.
inline constexpr std::uint64_t most_unacked = std::uint64_t{4} << 20;

} // namespace tonel::protocol::flow
