#pragma once

#include "protocol/flow/sequence_space.hpp"
#include "protocol/packet.hpp"

#include <cstdint>

namespace tonel::protocol::flow {

/// Makes the headers of a stream's segments.
struct segment_headers {
  four_tuple tuple;
  std::uint16_t ip_id = 0; ///< of the next segment

  /// A header with the present ack, which also settles the ACK that is owed.
  segment_header make(sequence_space& space, seq_num seq, std::uint8_t flags) noexcept {
    segment_header out;
    out.tuple = tuple;
    out.seq = seq;
    out.flags = flags;
    out.ip_id = ip_id++;
    if ((flags & flag::ack) != 0) {
      out.ack = space.rcv_nxt();
      space.ack_sent = space.rcv_end;
    }
    return out;
  }
  bool is_v4() const noexcept { return tuple.local.address.is_v4(); }
};

} // namespace tonel::protocol::flow
