#pragma once

#include "protocol/packet.hpp"
#include "protocol/profile.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace tonel::protocol {

// Figures and headers that both ends of a stream and the acceptor share (docs/wire.md).

/// Octets of the IP and TCP header of a segment without options.
[[nodiscard]] constexpr std::uint32_t header_size(bool v4) noexcept { return v4 ? 40u : 60u; }
/// The least MTU that a path of this family must carry (RFC 791 §3.2, RFC 8200 §5).
[[nodiscard]] constexpr std::uint32_t least_mtu(bool v4) noexcept { return v4 ? 576u : 1280u; }
/// The MSS to announce for a device of this MTU.
[[nodiscard]] constexpr std::uint16_t mss_for(std::uint16_t mtu, bool v4) noexcept {
  const auto header = header_size(v4);
  return static_cast<std::uint16_t>(mtu > header ? mtu - header : 1u);
}
/// The window of a SYN: the largest multiple of the MSS below 65,536, as kernels send it.
[[nodiscard]] constexpr std::uint16_t syn_window(std::uint16_t mss) noexcept {
  return static_cast<std::uint16_t>(65'535u / mss * mss);
}

/// The window that 65,535 at scale 14 announces, about; octets.
inline constexpr std::uint32_t receive_window = std::uint32_t{1} << 30;

/// The most early segments, which overtake the peer's hello, and their octets, that a stream holds.
inline constexpr std::uint32_t max_held_segments = 64;
inline constexpr std::uint32_t max_held_bytes = 64 * 1024;

/// The least time between two repeats of a first flight or SYN that are sent because of early data,
/// a repeated hello or ACKs of an earlier connection.
inline constexpr auto repeat_interval = std::chrono::milliseconds{200};

/// A header that answers `in`: its addresses, with the given seq, ack and flags.
[[nodiscard]] inline segment_header answer_to(const segment_repr& in, seq_num seq, seq_num ack,
                                              std::uint8_t flags) noexcept {
  segment_header out;
  out.tuple = in.tuple;
  out.seq = seq;
  out.ack = ack;
  out.flags = flags;
  return out;
}

/// A SYN of tonel 0.6.1 or phantun, whose MSS a router may have set; native ones start above
/// 65,535.
[[nodiscard]] inline bool is_legacy_syn(const segment_repr& in) noexcept {
  return in.seq.raw <= 65'535 && in.window_scale == 14 && !in.sack_permitted && !in.timestamps;
}

/// Any other SYN is answered like a native one, since a health check's need not look like ours.
[[nodiscard]] inline bool is_native_syn(const segment_repr& in) noexcept {
  return !is_legacy_syn(in);
}

/// The legacy dialect of a SYN-ACK; none: native. Legacy ones do not permit SACK, which firewalls
/// may remove from a native SYN-ACK as well, but that never starts so low.
[[nodiscard]] inline std::optional<profile> older_syn_ack(const segment_repr& in) noexcept {
  if (in.sack_permitted || in.seq.raw > 65'535) return std::nullopt;
  return token_in(in.seq) != 0 ? profile::tonel : profile::phantun;
}

/// The answer to a native SYN.
[[nodiscard]] inline segment_header native_syn_ack(const segment_repr& in, seq_num iss,
                                                   std::uint16_t mtu) noexcept {
  auto out = answer_to(in, iss, in.seq + 1, flag::syn | flag::ack);
  out.mss = mss_for(mtu, in.tuple.local.address.is_v4());
  out.window = syn_window(out.mss);
  out.scaled = in.window_scale >= 0;
  return out;
}

/// The answer to a legacy SYN: no option but the window scale.
[[nodiscard]] inline segment_header legacy_syn_ack(const segment_repr& in,
                                                   std::uint16_t token) noexcept {
  return answer_to(in, {token}, in.seq + 1, flag::syn | flag::ack);
}

} // namespace tonel::protocol
