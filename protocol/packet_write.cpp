#include "protocol/checksum.hpp"
#include "protocol/packet.hpp"

#include <algorithm>
#include <cassert>

namespace tonel::protocol {

namespace {

constexpr std::uint8_t tcp = 6;
constexpr std::uint8_t hop_limit = 64;
constexpr std::uint16_t dont_fragment = 0x4000;
constexpr std::size_t v4_header = 20;
constexpr std::size_t v6_header = 40;
constexpr std::size_t tcp_header = 20;
constexpr std::size_t tcp_checksum_at = 16;
/// MSS, NOP, NOP, SACK-permitted, NOP, window scale 14: the options of Linux with timestamps off
/// and a receive limit of 1 GiB, in its order. With scale 14 trackers on the way see a window of 1
/// GiB.
constexpr std::array<std::uint8_t, 12> syn_options{2, 4, 0, 0, 1, 1, 4, 2, 1, 3, 3, 14};
/// NOP, window scale 14: the options of a SYN of tonel 0.6.1 or phantun.
constexpr std::array<std::uint8_t, 4> plain_syn_options{1, 3, 3, 14};

void write_v4(byte_span out, const segment_header& h, std::size_t total) noexcept {
  out[0] = 0x45;
  out[1] = 0;
  store_be16(out, 2, static_cast<std::uint16_t>(total));
  store_be16(out, 4, h.ip_id);
  store_be16(out, 6, dont_fragment);
  out[8] = hop_limit;
  out[9] = tcp;
  store_be16(out, 10, 0);
  std::copy_n(h.tuple.local.address.data(), 4, out.data() + 12);
  std::copy_n(h.tuple.remote.address.data(), 4, out.data() + 16);
  store_be16(out, 10, inet_checksum{}.add(out.subview(0, v4_header)).finish());
}

void write_v6(byte_span out, const segment_header& h, std::size_t total) noexcept {
  store_be32(out, 0, 0x6000'0000);
  store_be16(out, 4, static_cast<std::uint16_t>(total - v6_header));
  out[6] = tcp;
  out[7] = hop_limit;
  std::copy_n(h.tuple.local.address.data(), 16, out.data() + 8);
  std::copy_n(h.tuple.remote.address.data(), 16, out.data() + 24);
}

} // namespace

std::size_t write_partial_header(byte_span out, const segment_header& header,
                                 std::size_t payload_length) noexcept {
  const auto size = header.size();
  const auto total = size + payload_length;
  assert(out.size() >= size);
  assert(total <= max_ip_packet);
  assert(header.tuple.local.address.size() == header.tuple.remote.address.size());
  const bool v4 = header.tuple.local.address.is_v4();
  if (v4) {
    write_v4(out, header, total);
  } else {
    write_v6(out, header, total);
  }
  const auto ip_size = v4 ? v4_header : v6_header;
  const auto t = out.subview(ip_size, size - ip_size);
  store_be16(t, 0, header.tuple.local.port);
  store_be16(t, 2, header.tuple.remote.port);
  store_be32(t, 4, header.seq.raw);
  store_be32(t, 8, header.ack.raw);
  t[12] = static_cast<std::uint8_t>((t.size() / 4) << 4);
  t[13] = header.flags;
  store_be16(t, 14, header.window);
  const auto pseudo = tcp_pseudo_header(header.tuple.local.address, header.tuple.remote.address,
                                        static_cast<std::uint32_t>(total - ip_size));
  store_be16(t, tcp_checksum_at, pseudo.folded());
  store_be16(t, 18, 0); // urgent pointer
  if (t.size() == tcp_header) return size;
  if (header.mss == 0) {
    std::copy(plain_syn_options.begin(), plain_syn_options.end(), t.data() + tcp_header);
  } else {
    std::copy_n(syn_options.begin(), t.size() - tcp_header, t.data() + tcp_header);
    store_be16(t, tcp_header + 2, header.mss);
  }
  return size;
}

void finish_checksum(byte_span header, inet_checksum payload) noexcept {
  const auto ip_size = (header[0] >> 4) == 4 ? v4_header : v6_header;
  const auto t = header.subview(ip_size);
  // The field holds the pseudo header's sum, so it is summed with the rest. The header's length is
  // even, so the payload starts at a word. A result of 0 stays: unlike UDP, TCP has no "no
  // checksum".
  store_be16(t, tcp_checksum_at, inet_checksum{}.add(t).add16(payload.folded()).finish());
}

segment_header nth_header(const segment_header& super, std::uint32_t offset, std::uint16_t index,
                          bool last) noexcept {
  auto out = super;
  out.seq = super.seq + offset;
  out.ip_id = static_cast<std::uint16_t>(super.ip_id + index);
  if (!last) out.flags &= static_cast<std::uint8_t>(~unsigned{flag::psh | flag::fin});
  return out;
}

} // namespace tonel::protocol
