#pragma once

#include "protocol/address.hpp"
#include "protocol/seq.hpp"
#include "protocol/time.hpp"

#include <array>
#include <cstdint>

namespace tonel::protocol {

/// A native client's initial sequence number. For one connection it grows with time, so that trackers
/// that still know an earlier one of the same ports take its SYN for that of a new one: Linux' follows a
/// SYN beside one without an answer only if its number is larger, and drops all that comes after else.
/// Units:  one every 4 us, so that it goes around in 4.8 hours
/// Source: RFC 6528 §3; nf_conntrack_proto_tcp.c, tcp_in_window
[[nodiscard]] seq_num client_isn(const std::array<std::uint8_t, 16>& secret,
                                 const four_tuple& tuple, time_point now) noexcept;

} // namespace tonel::protocol
