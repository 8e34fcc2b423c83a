#pragma once

#include "protocol/effects.hpp"
#include "protocol/packet.hpp"

#include <cstdint>

namespace tonel::protocol::flow {

/// Hands over what of a (super-)segment lies behind the first `control` octets of its direction, which
/// are no datagrams. False: nothing does; a datagram of length zero there is dropped and counted.
/// Shape: at: the segment's position. One effect, or two where control ends between two borders: these
///        count from the segment's start, so up to the next one is one datagram
[[nodiscard]] bool deliver_behind(std::uint64_t control, const segment_repr& in, std::int64_t at,
                                  effects& out) noexcept;

} // namespace tonel::protocol::flow
