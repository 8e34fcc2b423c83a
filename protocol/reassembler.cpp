#include "protocol/reassembler.hpp"

#include "protocol/checksum.hpp"
#include "protocol/packet.hpp"

#include <algorithm>
#include <utility>

namespace tonel::protocol {

namespace {

constexpr std::size_t v4_min_header = 20;
constexpr std::size_t tcp_min_header = 20;
constexpr std::uint8_t tcp = 6;
constexpr std::uint16_t more_fragments = 0x2000;
constexpr std::uint16_t offset_mask = 0x1fff;
constexpr std::size_t unit = 8; ///< octets; of offsets, and of all lengths but the last

} // namespace

expected<fragment_repr, errc> parse_fragment(byte_view packet) noexcept {
  const auto bad = unexpected{errc::fragment};
  if (packet.size() < v4_min_header || (packet[0] >> 4) != 4) return bad;
  const auto header = std::size_t{4} * (packet[0] & 0x0fu);
  const std::size_t total = load_be16(packet, 2);
  if (header < v4_min_header || total <= header || total > packet.size()) return bad;
  if (packet[9] != tcp) return bad;
  const auto field = load_be16(packet, 6);
  const auto length = total - header;
  const auto offset = unit * (field & offset_mask);
  fragment_repr out;
  out.last = (field & more_fragments) == 0;
  if (out.last ? offset == 0 : length % unit != 0) return bad;
  if (header + offset + length > max_ip_packet) return bad;
  out.source = ip_address::v4(packet.data() + 12);
  out.destination = ip_address::v4(packet.data() + 16);
  out.id = load_be16(packet, 4);
  out.header = static_cast<std::uint16_t>(header);
  out.offset = static_cast<std::uint16_t>(offset);
  out.length = static_cast<std::uint16_t>(length);
  if (!out.first()) return out;
  if (length < tcp_min_header) return bad;
  const auto segment = packet.subview(header);
  out.tuple.local = {out.destination, load_be16(segment, 2)};
  out.tuple.remote = {out.source, load_be16(segment, 0)};
  return out;
}

std::uint32_t reassembler::give_up(place& p) noexcept { return std::exchange(p.fragments, 0); }

std::size_t reassembler::under_way() const noexcept {
  return static_cast<std::size_t>(std::count_if(places_.begin(), places_.end(),
                                                [](const place& p) { return p.fragments != 0; }));
}

reassembler::place& reassembler::begin(const fragment_repr& fragment, byte_view packet,
                                       time_point now, outcome& out) {
  auto* at = &places_.front();
  for (auto& p : places_) {
    if (p.fragments != 0 && (p.holds(fragment) || now - p.since >= patience))
      out.dropped += give_up(p);
    if (p.fragments == 0 ? at->fragments != 0 : at->fragments != 0 && p.since < at->since) at = &p;
  }
  out.dropped += give_up(*at);
  at->source = fragment.source;
  at->destination = fragment.destination;
  at->id = fragment.id;
  at->header = fragment.header;
  at->piece = 0;
  at->since = now;
  at->octets.assign(packet.begin(), packet.begin() + fragment.header);
  return *at;
}

reassembler::outcome reassembler::take(const fragment_repr& fragment, byte_view packet,
                                       time_point now) {
  outcome out;
  const auto found = std::find_if(places_.begin(), places_.end(),
                                  [&](const place& p) { return p.holds(fragment); });
  if (!fragment.first() && found == places_.end()) {
    out.dropped = 1;
    return out;
  }
  auto& p = fragment.first() ? begin(fragment, packet, now, out) : *found;
  const auto size = p.octets.size() + fragment.length;
  if (p.octets.size() != std::size_t{p.header} + fragment.offset || size > largest ||
      now - p.since >= patience) {
    out.dropped += give_up(p) + 1;
    return out;
  }
  const auto content = packet.subview(fragment.header, fragment.length);
  p.octets.insert(p.octets.end(), content.begin(), content.end());
  p.piece = std::max(p.piece, static_cast<std::uint16_t>(fragment.header + fragment.length));
  ++p.fragments;
  if (!fragment.last) return out;

  give_up(p);
  const byte_span whole{p.octets};
  store_be16(whole, 2, static_cast<std::uint16_t>(whole.size()));
  store_be16(whole, 6, 0);
  store_be16(whole, 10, 0);
  const auto header = byte_view{whole}.subview(0, p.header);
  store_be16(whole, 10, inet_checksum{}.add(header).finish());
  out.packet = whole;
  out.piece = p.piece;
  return out;
}

} // namespace tonel::protocol
