#pragma once

#include "protocol/effects.hpp"
#include "protocol/packet.hpp"

#include <cstdint>

namespace tonel::protocol::flow {

/// Delivers the payload of a (super-)segment behind the first `control` octets of its direction,
/// which are no datagrams. False: all of it is control; a zero-length datagram there is dropped and
/// counted.
/// at: the segment's position
/// Shape: one effect; or two if control ends inside a segment of the super-segment: the rest of
///        that segment is a datagram, and further borders count from the super-segment's start
[[nodiscard]] bool deliver_behind(std::uint64_t control, const segment_repr& in, std::int64_t at,
                                  effects& out) noexcept;

} // namespace tonel::protocol::flow
