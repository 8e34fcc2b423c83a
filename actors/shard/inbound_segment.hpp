#pragma once

#include "protocol/bytes.hpp"
#include "protocol/packet.hpp"
#include "system/slab.hpp"

namespace tonel::actors {

/// One received packet of a stream: its parsed header and the whole packet.
struct inbound_segment {
  protocol::segment_repr header;
  sys::chunk packet;
  protocol::byte_view payload() const noexcept {
    return packet.bytes().subview(header.payload_offset, header.payload_length);
  }
};

} // namespace tonel::actors
