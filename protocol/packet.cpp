#include "protocol/packet.hpp"

#include "protocol/checksum.hpp"

#include <algorithm>

namespace tonel::protocol {

namespace {

// IP protocol numbers (IANA), which IPv6 calls next headers.
constexpr std::uint8_t hop_by_hop = 0, icmp = 1, tcp = 6, routing = 43, v6_fragment = 44,
                       icmp6 = 58, destination_options = 60;

constexpr std::size_t v4_min_header = 20;
constexpr std::size_t v6_header = 40;
constexpr std::size_t tcp_min_header = 20;
constexpr std::size_t icmp_header = 8;
/// Octets of TCP that every ICMP message quotes at least (RFC 792): ports and seq.
constexpr std::size_t quoted_tcp = 8;
/// The least MTU of a path: ICMP with a smaller one is forged or broken (RFC 1191 §3, RFC 8201 §4).
constexpr std::uint32_t v4_min_mtu = 68;
constexpr std::uint32_t v6_min_mtu = 1280;

/// The addresses, and the offset and protocol of what follows the IP headers.
struct ip_repr {
  ip_address source;
  ip_address destination;
  std::uint8_t protocol = 0;
  std::size_t offset = 0; ///< octets of the IP headers
};

/// Cuts off octets behind the IP packet, such as the padding of a short Ethernet frame.
expected<byte_view, errc> without_padding(byte_view packet) noexcept {
  if (packet.empty()) return unexpected{errc::truncated};
  std::size_t length = 0;
  switch (packet[0] >> 4) {
  case 4:
    if (packet.size() < v4_min_header) return unexpected{errc::truncated};
    length = load_be16(packet, 2);
    if (length < v4_min_header) return unexpected{errc::truncated};
    break;
  case 6:
    if (packet.size() < v6_header) return unexpected{errc::truncated};
    length = v6_header + load_be16(packet, 4);
    break;
  default: return unexpected{errc::bad_version};
  }
  if (length > packet.size()) return unexpected{errc::bad_length};
  return packet.subview(0, length);
}

/// Parses an IPv4 header, except its total length.
expected<ip_repr, errc> parse_v4(byte_view packet, bool vouched) noexcept {
  if (packet.size() < v4_min_header) return unexpected{errc::truncated};
  const auto header = std::size_t{4} * (packet[0] & 0x0fu);
  if (header < v4_min_header) return unexpected{errc::bad_header_length};
  if (header > packet.size()) return unexpected{errc::truncated};
  if (!vouched && inet_checksum{}.add(packet.subview(0, header)).folded() != 0xffff)
    return unexpected{errc::bad_checksum};
  return ip_repr{ip_address::v4(packet.data() + 12), ip_address::v4(packet.data() + 16), packet[9],
                 header};
}

/// Whether "more fragments" or an offset is set.
bool is_v4_fragment(byte_view packet) noexcept { return (load_be16(packet, 6) & 0x3fff) != 0; }

/// Parses an IPv6 header and the extension headers that can stand in front of TCP.
expected<ip_repr, errc> parse_v6(byte_view packet) noexcept {
  if (packet.size() < v6_header) return unexpected{errc::truncated};
  ip_repr ip{ip_address::v6(packet.data() + 8), ip_address::v6(packet.data() + 24), packet[6],
             v6_header};
  for (;;) {
    switch (ip.protocol) {
    case hop_by_hop:
    case routing:
    case destination_options: break;
    case v6_fragment: return unexpected{errc::fragment};
    default: return ip;
    }
    const auto rest = packet.subview(ip.offset);
    if (rest.size() < 8) return unexpected{errc::truncated};
    const auto length = std::size_t{8} * (rest[1] + std::size_t{1});
    if (length > rest.size()) return unexpected{errc::truncated};
    ip.protocol = rest[0];
    ip.offset += length;
  }
}

/// Parses the options of a SYN. A known option with a wrong length is skipped, as Linux does.
/// Errors: false: an option exceeds the header or has an impossible length (bad_options)
bool parse_syn_options(byte_view options, segment_repr& out) noexcept {
  constexpr std::uint8_t end = 0, nop = 1, mss = 2, window_scale = 3, sack_permitted = 4,
                         timestamps = 8;
  for (std::size_t at = 0; at < options.size();) {
    const auto kind = options[at];
    if (kind == end) return true;
    if (kind == nop) {
      ++at;
      continue;
    }
    if (options.size() - at < 2) return false;
    const std::size_t length = options[at + 1];
    if (length < 2 || length > options.size() - at) return false;
    if (kind == mss && length == 4) {
      out.mss = load_be16(options, at + 2);
    } else if (kind == window_scale && length == 3) {
      // More than 14 means 14 (RFC 7323 §2.3).
      out.window_scale = static_cast<std::int8_t>(std::min<unsigned>(options[at + 2], 14));
    } else if (kind == sack_permitted && length == 2) {
      out.sack_permitted = true;
    } else if (kind == timestamps && length == 10) {
      out.timestamps = true;
    }
    at += length;
  }
  return true;
}

expected<packet_repr, errc> parse_tcp(byte_view packet, const ip_repr& ip,
                                      const offload_repr& offload) noexcept {
  const auto segment = packet.subview(ip.offset);
  if (segment.size() < tcp_min_header) return unexpected{errc::truncated};
  const auto header = std::size_t{4} * (segment[12] >> 4);
  if (header < tcp_min_header) return unexpected{errc::bad_header_length};
  if (header > segment.size()) return unexpected{errc::truncated};
  if (!offload.checksum_vouched) {
    const auto length = static_cast<std::uint32_t>(segment.size());
    if (tcp_pseudo_header(ip.source, ip.destination, length).add(segment).folded() != 0xffff)
      return unexpected{errc::bad_checksum};
  }
  segment_repr out;
  out.flags = segment[13];
  if (!flags_can_be(out.flags)) return unexpected{errc::bad_flags};
  out.tuple.local = {ip.destination, load_be16(segment, 2)};
  out.tuple.remote = {ip.source, load_be16(segment, 0)};
  out.seq = {load_be32(segment, 4)};
  out.ack = {load_be32(segment, 8)};
  out.window = load_be16(segment, 14);
  if (out.has(flag::syn) &&
      !parse_syn_options(segment.subview(tcp_min_header, header - tcp_min_header), out))
    return unexpected{errc::bad_options};
  out.payload_offset = static_cast<std::uint32_t>(ip.offset + header);
  out.payload_length = static_cast<std::uint32_t>(segment.size() - header);
  out.datagram_size = offload.segment_size != 0 && out.payload_length > offload.segment_size
                          ? std::uint32_t{offload.segment_size}
                          : out.payload_length;
  return out;
}

/// Reads what an ICMP quotes of the packet that it is about. It may be cut anywhere behind the first 8
/// octets of TCP, and its lengths may be those of a super-segment: nothing depends on them.
expected<packet_too_big, errc> parse_quote(byte_view quote, bool v4) noexcept {
  if (quote.empty() || (quote[0] >> 4) != (v4 ? 4 : 6)) return unexpected{errc::icmp_ignored};
  // The checksum of a quoted header proves nothing, and some routers change the header.
  const auto ip = v4 ? parse_v4(quote, true) : parse_v6(quote);
  if (!ip || ip->protocol != tcp) return unexpected{errc::icmp_ignored};
  if (v4 && is_v4_fragment(quote)) return unexpected{errc::icmp_ignored};
  const auto segment = quote.subview(ip->offset);
  if (segment.size() < quoted_tcp) return unexpected{errc::icmp_ignored};
  packet_too_big out;
  out.quoted.local = {ip->source, load_be16(segment, 0)};
  out.quoted.remote = {ip->destination, load_be16(segment, 2)};
  out.seq = {load_be32(segment, 4)};
  if (segment.size() >= quoted_tcp + sizeof(std::uint32_t)) out.ack = {load_be32(segment, 8)};
  if (v4) out.ip_id = load_be16(quote, 4);
  return out;
}

expected<packet_repr, errc> too_big_of(byte_view message, bool v4, std::uint32_t mtu) noexcept {
  auto out = parse_quote(message.subview(icmp_header), v4);
  if (!out) return unexpected{out.error()};
  out->mtu = mtu;
  return *out;
}

expected<packet_repr, errc> undelivered_of(byte_view message, const ip_repr& ip, bool v4,
                                           unreachable_kind what) noexcept {
  const auto quote = parse_quote(message.subview(icmp_header), v4);
  if (!quote) return unexpected{quote.error()};
  return packet_undelivered{quote->quoted, quote->seq, ip.source, what};
}

/// Of a code of ICMP's "destination unreachable".
unreachable_kind kind_of_v4(std::uint8_t code) noexcept {
  constexpr std::uint8_t network = 0, protocol = 2, port = 3, source_route = 5, network_unknown = 6,
                         network_prohibited = 9, host_prohibited = 10, network_service = 11,
                         prohibited = 13;
  switch (code) {
  case network:
  case source_route:
  case network_unknown:
  case network_service: return unreachable_kind::network;
  case protocol:
  case port: return unreachable_kind::port;
  case network_prohibited:
  case host_prohibited:
  case prohibited: return unreachable_kind::prohibited;
  default: return unreachable_kind::host;
  }
}

/// Likewise of ICMPv6's.
unreachable_kind kind_of_v6(std::uint8_t code) noexcept {
  constexpr std::uint8_t no_route = 0, prohibited = 1, beyond_scope = 2, port = 4, bad_source = 5,
                         reject_route = 6;
  switch (code) {
  case no_route:
  case beyond_scope: return unreachable_kind::network;
  case port: return unreachable_kind::port;
  case prohibited:
  case bad_source:
  case reject_route: return unreachable_kind::prohibited;
  default: return unreachable_kind::host;
  }
}

expected<packet_repr, errc> parse_icmp4(byte_view message, const ip_repr& ip,
                                        bool vouched) noexcept {
  constexpr std::uint8_t unreachable = 3, fragmentation_needed = 4;
  if (message.size() < icmp_header) return unexpected{errc::truncated};
  if (message[0] != unreachable) return unexpected{errc::icmp_ignored};
  if (!vouched && inet_checksum{}.add(message).folded() != 0xffff)
    return unexpected{errc::bad_checksum};
  if (message[1] != fragmentation_needed)
    return undelivered_of(message, ip, true, kind_of_v4(message[1]));
  const std::uint32_t mtu = load_be16(message, 6);
  if (mtu < v4_min_mtu) return unexpected{errc::icmp_ignored};
  return too_big_of(message, true, mtu);
}

expected<packet_repr, errc> parse_icmp6(byte_view message, const ip_repr& ip,
                                        bool vouched) noexcept {
  constexpr std::uint8_t unreachable = 1, too_big = 2, first_of_link = 130, last_of_link = 137,
                         mld2_report = 143;
  if (message.size() < icmp_header) return unexpected{errc::truncated};
  const auto type = message[0];
  // Multicast listeners, routers, neighbours: the host sends these on every link, so on a TUN too.
  // They are no answers to us.
  if ((type >= first_of_link && type <= last_of_link) || type == mld2_report)
    return unexpected{errc::not_tcp};
  if (type != too_big && type != unreachable) return unexpected{errc::icmp_ignored};
  const auto length = static_cast<std::uint32_t>(message.size());
  if (!vouched &&
      pseudo_header(ip.source, ip.destination, icmp6, length).add(message).folded() != 0xffff)
    return unexpected{errc::bad_checksum};
  if (type == unreachable) return undelivered_of(message, ip, false, kind_of_v6(message[1]));
  const auto mtu = load_be32(message, 4);
  if (mtu < v6_min_mtu) return unexpected{errc::icmp_ignored};
  return too_big_of(message, false, mtu);
}

} // namespace

expected<packet_repr, errc> parse_packet(byte_view packet, const offload_repr& offload) noexcept {
  const auto whole = without_padding(packet);
  if (!whole) return unexpected{whole.error()};
  const auto vouched = offload.checksum_vouched;
  const bool v4 = ((*whole)[0] >> 4) == 4;
  const auto ip = v4 ? parse_v4(*whole, vouched) : parse_v6(*whole);
  if (!ip) return unexpected{ip.error()};
  if (v4 && is_v4_fragment(*whole)) return unexpected{errc::fragment};

  if (ip->protocol == tcp) return parse_tcp(*whole, *ip, offload);
  const auto rest = whole->subview(ip->offset);
  if (v4 && ip->protocol == icmp) return parse_icmp4(rest, *ip, vouched);
  if (!v4 && ip->protocol == icmp6) return parse_icmp6(rest, *ip, vouched);
  return unexpected{errc::not_tcp};
}

} // namespace tonel::protocol
