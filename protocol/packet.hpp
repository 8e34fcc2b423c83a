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

/// The largest IP packet, with headers (RFC 791 §3.1).
inline constexpr std::size_t max_ip_packet = 65'535;
/// The largest header that we write: IPv6, TCP, and the options of a SYN.
inline constexpr std::size_t max_header = 40 + 20 + 12;
/// The most datagrams in one super-segment: a larger burst would overflow rings of 256 on the path.
inline constexpr std::size_t max_run_segments = 64;

/// What the kernel reports of a packet read from a device with offload.
struct offload_repr {
  bool checksum_vouched = false;  ///< TCP checksum checked, or from this host and not filled in
  std::uint16_t segment_size = 0; ///< octets of payload of each merged segment; 0: one segment
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
  // Options of a SYN; 0, false or -1 if absent.
  bool sack_permitted = false;
  bool timestamps = false;
  std::int8_t window_scale = -1;
  std::uint16_t mss = 0;
  std::uint32_t payload_offset = 0;
  std::uint32_t payload_length = 0;
  std::uint32_t datagram_size = 0; ///< octets of each datagram; payload_length for a lone one

  /// Whether one of these flags is set.
  constexpr bool has(std::uint8_t f) const noexcept { return (flags & f) != 0; }
  /// The sequence numbers that it occupies (RFC 9293 §3.4).
  std::uint32_t length() const noexcept {
    return payload_length + (has(flag::syn) ? 1u : 0u) + (has(flag::fin) ? 1u : 0u);
  }
  seq_num end() const noexcept { return seq + length(); }
};

/// False for flags that no TCP sends and that connection tracking calls invalid.
constexpr bool flags_can_be(std::uint8_t flags) noexcept {
  const bool syn = (flags & flag::syn) != 0, fin = (flags & flag::fin) != 0;
  if ((flags & flag::rst) != 0) return !syn && !fin;
  return syn ? !fin : (flags & flag::ack) != 0;
}

/// An ICMP or ICMPv6 "packet too big" that quotes a TCP packet.
struct packet_too_big {
  four_tuple quoted;          ///< local is the quoted packet's source
  seq_num seq;                ///< the quoted packet's
  std::optional<seq_num> ack; ///< the quoted packet's; none: the router has quoted less
  std::uint16_t ip_id = 0;    ///< the quoted packet's (IPv4)
  std::uint32_t mtu = 0;      ///< octets
};

/// What could not be reached, as ICMP and ICMPv6 say it.
enum class unreachable_kind : std::uint8_t {
  network,    ///< there is no route
  host,       ///< the last router, or the host itself, finds nobody at the address
  port,       ///< nobody takes it there; a firewall's REJECT says so, too
  prohibited, ///< a firewall's rule
};
/// An ICMP or ICMPv6 "destination unreachable" that quotes a TCP packet. Anyone can send one: it proves
/// as much as the sequence number that it quotes.
struct packet_undelivered {
  four_tuple quoted; ///< local is the quoted packet's source
  seq_num seq;       ///< the quoted packet's
  ip_address from;   ///< who says so
  unreachable_kind what = unreachable_kind::host;
  bool here = false; ///< by this host; the shell's to set
};

/// A parsed packet.
using packet_repr = std::variant<segment_repr, packet_too_big, packet_undelivered>;

/// Parses one IP packet: IPv4 with IHL and total length, IPv6 with extension headers, TCP with data
/// offset and options, ICMP too-big and unreachable.
/// Errors: truncated .. not_tcp, icmp_ignored of errc; the caller counts and drops
/// Source: RFC 791 §3.1, RFC 8200 §4, RFC 9293 §3.1, RFC 792, RFC 1812 §5.2.7.1, RFC 1191 §4,
///         RFC 4443 §3.1, §3.2
[[nodiscard]] expected<packet_repr, errc> parse_packet(byte_view packet,
                                                       const offload_repr& offload) noexcept;

/// The header of one outgoing segment or super-segment.
/// Shape: options with flag::syn and an mss: MSS, NOP, NOP, SACK-permitted and, if scaled, NOP,
///        window scale 14; with flag::syn and no mss (legacy): NOP, window scale 14; else none
struct segment_header {
  four_tuple tuple; ///< local is the source
  seq_num seq;
  seq_num ack;
  std::uint16_t window = 65'535;
  std::uint16_t ip_id = 0; ///< IPv4: ID of the first segment; grows by 1 with each further one
  std::uint16_t mss = 0;
  std::uint8_t flags = 0;
  bool scaled = true; ///< false: the answer to a SYN without window scale (RFC 7323 §2.2)

  /// Octets of the IP and TCP header.
  std::size_t size() const noexcept {
    const auto options = (flags & flag::syn) == 0 ? 0u : mss == 0 ? 4u : scaled ? 12u : 8u;
    return (tuple.local.address.is_v4() ? 20u : 40u) + 20u + options;
  }
};

/// Writes the IP and TCP header for `payload_length` octets of payload. The TCP checksum field
/// holds the sum of the pseudo header only, for the kernel or the network card to finish; that of
/// IPv4 is complete.
/// Shape: out.size() >= header.size(), which is returned
std::size_t write_partial_header(byte_span out, const segment_header& header,
                                 std::size_t payload_length) noexcept;

/// Completes the TCP checksum after write_partial_header. payload: the sum over the payload
void finish_checksum(byte_span header, class inet_checksum payload) noexcept;

/// The header of one segment of a super-segment, at `offset` octets of payload; PSH and FIN are
/// only set on the last segment. index: number of the segment, from 0
[[nodiscard]] segment_header nth_header(const segment_header& super, std::uint32_t offset,
                                        std::uint16_t index, bool last) noexcept;

} // namespace tonel::protocol
