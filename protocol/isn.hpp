#pragma once

#include "protocol/address.hpp"
#include "protocol/seq.hpp"
#include "protocol/time.hpp"

#include <array>
#include <cstdint>

namespace tonel::protocol {

/// A native client's initial sequence number. For one 4-tuple it grows with time, so that a tracker
/// with an earlier entry of the same ports takes the SYN for a new connection: Linux accepts a SYN
/// after an unanswered one only if its number is larger, and else drops all that follows.
/// Units:  grows by 1 every 4 us, and wraps around in 4.8 hours
/// Source: RFC 6528 §3; nf_conntrack_proto_tcp.c, tcp_in_window
[[nodiscard]] seq_num client_isn(const std::array<std::uint8_t, 16>& secret,
                                 const four_tuple& tuple, time_point now) noexcept;

} // namespace tonel::protocol
