#pragma once

#include "protocol/time.hpp"

#include <chrono>
#include <cstdint>

namespace tonel::protocol::flow {

/// How long an ACK may wait for a datagram to carry it. A tracker keeps an entry with an
/// unacknowledged octet for minutes instead of days, until the highest octet is acknowledged.
/// DEVIATION RFC 9293 §3.8.6.3: waits for 1 s and 4 MiB, since nothing is sent again anyway.
inline constexpr duration delayed_ack = std::chrono::seconds{1};
/// The most octets that an ACK may wait for: a stranger may guess as many more ack numbers.
inline constexpr std::uint64_t most_unacked = std::uint64_t{4} << 20;

} // namespace tonel::protocol::flow
