#pragma once

#include "protocol/seq.hpp"

#include <cstdint>

namespace tonel::protocol::flow {

/// The progress of both directions of a stream.
/// Units:  positions are octets since the SYN, in 64 bits: sequence numbers recur every 4 GiB, and
///         control must be told from data after that, too. A FIN takes one
/// Source: RFC 9293 §3.3.1
struct sequence_space {
  seq_num iss;                ///< the sequence number of our SYN
  seq_num irs;                ///< the sequence number of the peer's SYN
  std::uint64_t snd_end = 0;  ///< the end of sent octets: SND.NXT
  std::uint64_t acked = 0;    ///< the highest ack received
  std::uint64_t rcv_end = 0;  ///< the highest end of received octets: RCV.NXT
  std::uint64_t ack_sent = 0; ///< rcv_end as last acknowledged

  seq_num first() const noexcept { return iss + 1; }
  seq_num snd_nxt() const noexcept { return first() + static_cast<std::uint32_t>(snd_end); }
  seq_num rcv_nxt() const noexcept { return irs + 1 + static_cast<std::uint32_t>(rcv_end); }
  seq_num highest_ack() const noexcept { return first() + static_cast<std::uint32_t>(acked); }
  /// Octets sent and not acknowledged.
  std::uint64_t under_way() const noexcept { return snd_end - acked; }
  /// Octets received and not acknowledged.
  std::uint64_t owed() const noexcept { return rcv_end - ack_sent; }

  /// The position of a segment of the peer; negative: before its first octet.
  std::int64_t position_of(seq_num seq) const noexcept {
    return static_cast<std::int64_t>(rcv_end) + (seq - rcv_nxt());
  }
  /// The position that the peer acknowledges; above snd_end: octets never sent.
  std::int64_t position_of_ack(seq_num ack) const noexcept {
    return static_cast<std::int64_t>(snd_end) + (ack - snd_nxt());
  }
  /// RCV.NXT never goes back.
  void received_to(std::uint64_t end) noexcept { rcv_end = end > rcv_end ? end : rcv_end; }
  /// SND.NXT never goes back.
  void sent_to(std::uint64_t end) noexcept { snd_end = end > snd_end ? end : snd_end; }
};

} // namespace tonel::protocol::flow
