#pragma once

#include "protocol/address.hpp"
#include "protocol/bytes.hpp"
#include "protocol/errc.hpp"
#include "protocol/expected.hpp"
#include "protocol/seq.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

namespace tonel::protocol {

/// TCP flags (RFC 9293 §3.1), as in octet 13 of the header.
namespace flag {
inline constexpr std::uint8_t fin = 0x01, syn = 0x02, rst = 0x04, psh = 0x08, ack = 0x10,
                              urg = 0x20, ece = 0x40, cwr = 0x80;
}

/// What fits into an IP packet, headers included (RFC 791 §3.1).
inline constexpr std::size_t max_ip_packet = 65'535;
/// IPv6, TCP, and the SYN's options.
inline constexpr std::size_t max_header = 40 + 20 + 12;
/// Datagrams in one super-segment: a ring of 256 on the path loses what exceeds it.
inline constexpr std::size_t max_run_segments = 64;

/// What the kernel says about a packet read from a device with offload.
struct offload_repr {
  bool checksum_vouched = false;  ///< checked already, or made on this host and not yet filled in
  std::uint16_t segment_size = 0; ///< TCP payload of each merged segment; 0: one segment
};

/// One received TCP packet: one segment, or several merged ones of equal size (the last may be
/// shorter).
/// Units: host byte order; offsets from the start of the IP packet
struct segment_repr {
  four_tuple tuple; ///< local is the packet's destination
  seq_num seq;
  seq_num ack;
  std::uint16_t window = 0;
  std::uint8_t flags = 0;
  // From a SYN's options; 0, false or -1 where absent.
  bool sack_permitted = false;
  bool timestamps = false;
  std::int8_t window_scale = -1;
  std::uint16_t mss = 0;
  std::uint32_t payload_offset = 0;
  std::uint32_t payload_length = 0;
  std::uint32_t datagram_size = 0; ///< size of each datagram; payload_length for a lone one

  constexpr bool has(std::uint8_t f) const noexcept { return (flags & f) != 0; }
  /// Sequence space it occupies (RFC 9293 §3.4).
  std::uint32_t length() const noexcept {
    return payload_length + (has(flag::syn) ? 1u : 0u) + (has(flag::fin) ? 1u : 0u);
  }
  seq_num end() const noexcept { return seq + length(); }
};

/// No TCP sends flags for which this is false, and connection tracking calls them invalid.
constexpr bool flags_can_be(std::uint8_t flags) noexcept {
  const bool syn = (flags & flag::syn) != 0, fin = (flags & flag::fin) != 0;
  if ((flags & flag::rst) != 0) return !syn && !fin;
  return syn ? !fin : (flags & flag::ack) != 0;
}

/// An ICMP or ICMPv6 "packet too big" that quotes a TCP packet.
struct packet_too_big {
  four_tuple quoted;          ///< local is the quoted packet's source
  seq_num seq;                ///< the quoted packet's
  std::optional<seq_num> ack; ///< the quoted packet's; routers need not quote so much of it
  std::uint16_t ip_id = 0;    ///< the quoted packet's (IPv4)
  std::uint32_t mtu = 0;
};

/// What a packet turned out to be.
using packet_repr = std::variant<segment_repr, packet_too_big>;

/// Parses one IP packet: IPv4 with IHL and total length, IPv6 with extension headers, TCP with data
/// offset and options, ICMP too-big.
/// Errors: truncated .. not_tcp, icmp_ignored of errc; the caller counts and drops
/// Source: RFC 791 §3.1, RFC 8200 §4, RFC 9293 §3.1, RFC 1191 §4, RFC 4443 §3.2
[[nodiscard]] expected<packet_repr, errc> parse_packet(byte_view packet,
                                                       const offload_repr& offload) noexcept;

/// The header of one outgoing segment or super-segment, as the stream decided it.
/// Shape: with flag::syn and an mss it carries MSS, NOP, NOP, SACK-permitted and, if scaled, NOP,
///        window scale 14; with flag::syn and no mss the older dialects' NOP, window scale 14 alone;
///        any other has no options
struct segment_header {
  four_tuple tuple; ///< local is the source
  seq_num seq;
  seq_num ack;
  std::uint16_t window = 65'535;
  std::uint16_t ip_id = 0; ///< of the first segment; each further one counts on by 1 (IPv4)
  std::uint16_t mss = 0;
  std::uint8_t flags = 0;
  bool scaled = true; ///< false: the answer to a SYN without window scale (RFC 7323 §2.2)

  std::size_t size() const noexcept {
    const auto options = (flags & flag::syn) == 0 ? 0u : mss == 0 ? 4u : scaled ? 12u : 8u;
    return (tuple.local.address.is_v4() ? 20u : 40u) + 20u + options;
  }
};

/// Writes IP and TCP header for `payload_length` octets of payload. The TCP checksum field holds
/// the pseudo header's sum alone, for the kernel or the NIC to finish; IPv4's own is complete.
/// Shape: out.size() >= header.size(); returns header.size()
std::size_t write_partial_header(byte_span out, const segment_header& header,
                                 std::size_t payload_length) noexcept;

/// Completes the checksum that write_partial_header left, given the sum over the payload.
void finish_checksum(byte_span header, class inet_checksum payload) noexcept;

/// The header of the segment that starts `offset` octets and `index` segments into a super-segment;
/// PSH and FIN stay on the last one alone.
[[nodiscard]] segment_header nth_header(const segment_header& super, std::uint32_t offset,
                                        std::uint16_t index, bool last) noexcept;

} // namespace tonel::protocol
