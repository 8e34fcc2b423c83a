// Input: one octet of flags (bit 0: checksum vouched for), two of segment size, the packet.

#include "protocol/checksum.hpp"
#include "protocol/packet.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/packets.hpp"

#include <variant>

using namespace tonel::protocol;
using namespace tonel::test;
using tonel::fuzz::check;

namespace {

void check_segment(const segment_repr& s, byte_view packet, const offload_repr& offload) {
  check(s.payload_offset + s.payload_length <= packet.size(), "payload lies in the packet");
  check(s.payload_offset >= 40, "payload follows the headers");
  check(s.datagram_size <= s.payload_length, "a datagram is no larger than the payload");
  check((s.datagram_size == 0) == (s.payload_length == 0), "only nothing has datagrams of nothing");
  check(s.datagram_size == s.payload_length || s.datagram_size == offload.segment_size,
        "datagrams are of the merged size");
  check(s.tuple.local.address.size() == s.tuple.remote.address.size(), "one IP version");
  check(s.window_scale >= -1 && s.window_scale <= 14, "window scale in range");
  check(s.has(flag::syn) || (s.mss == 0 && s.window_scale == -1 && !s.sack_permitted),
        "only a SYN has options");

  // Written anew, the segment says the same.
  segment_header h;
  h.tuple = {s.tuple.remote, s.tuple.local};
  h.seq = s.seq;
  h.ack = s.ack;
  h.window = s.window;
  h.flags = s.flags;
  h.mss = s.mss == 0 ? std::uint16_t{536} : s.mss;
  if (h.size() + s.payload_length > max_ip_packet) return;
  octets again(h.size());
  write_partial_header(again, h, s.payload_length);
  const auto payload = packet.subview(s.payload_offset, s.payload_length);
  finish_checksum(again, inet_checksum{}.add(payload));
  again.insert(again.end(), payload.begin(), payload.end());
  const auto parsed = parse_packet(again, {false, offload.segment_size});
  check(parsed.has_value(), "what is written can be read");
  const auto* r = std::get_if<segment_repr>(&*parsed);
  check(r != nullptr && r->tuple == s.tuple && r->seq == s.seq && r->ack == s.ack &&
            r->window == s.window && r->flags == s.flags && r->payload_length == s.payload_length &&
            r->datagram_size == s.datagram_size,
        "what is read is what was written");
}

octets input(const ip_packet& p, bool vouched, std::uint16_t segment_size) {
  octets out{static_cast<std::uint8_t>(vouched ? 1 : 0)};
  put16(out, segment_size);
  put(out, p.build());
  return out;
}

} // namespace

std::vector<octets> tonel::fuzz::seeds() {
  std::vector<octets> out;
  for (const bool v6 : {false, true}) {
    tcp_fields data;
    data.payload = counting(100);
    tcp_fields syn;
    syn.flags = flag::syn;
    syn.options = linux_syn_options;
    auto with_more = tcp_packet(data, v6);
    with_more.options = octets(8, 1);
    with_more.extensions = {{0, {0, 5, 2, 0, 0, 1, 0}}, {60, octets(7, 0)}, {43, octets(7, 0)}};
    for (const bool vouched : {false, true}) {
      out.push_back(input(tcp_packet(data, v6), vouched, 0));
      out.push_back(input(tcp_packet(data, v6), vouched, 30));
      out.push_back(input(tcp_packet(syn, v6), vouched, 0));
      out.push_back(input(with_more, vouched, 0));
      out.push_back(input(too_big(tcp_packet(data, v6).build(), 1'400, v6), vouched, 0));
    }
  }
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const offload_repr offload{(data[0] & 1) != 0,
                             static_cast<std::uint16_t>((data[1] << 8) | data[2])};
  const byte_view packet{data + 3, size - 3};
  const auto parsed = parse_packet(packet, offload);
  if (!parsed) {
    check(parsed.error() <= errc::icmp_ignored, "a cause that parsing can have");
  } else if (const auto* s = std::get_if<segment_repr>(&*parsed)) {
    check_segment(*s, packet, offload);
  } else if (const auto* lost = std::get_if<packet_undelivered>(&*parsed)) {
    check(lost->quoted.local.address.size() == lost->quoted.remote.address.size(),
          "one IP version");
  } else {
    const auto& icmp = std::get<packet_too_big>(*parsed);
    check(icmp.mtu >= 68, "an MTU that a path can have");
    check(icmp.quoted.local.address.size() == icmp.quoted.remote.address.size(), "one IP version");
  }
  return 0;
}
