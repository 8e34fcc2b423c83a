#pragma once

#include "protocol/packet.hpp"
#include "protocol/profile.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace tonel::protocol {

// The figures that both ends of a native stream and the acceptor share (docs/wire.md).

/// IP and TCP header of a segment without options.
[[nodiscard]] constexpr std::uint32_t header_size(bool v4) noexcept { return v4 ? 40u : 60u; }
/// The least MTU that a path of this family must carry (RFC 791 §3.2, RFC 8200 §5).
[[nodiscard]] constexpr std::uint32_t least_mtu(bool v4) noexcept { return v4 ? 576u : 1280u; }
/// The MSS to announce for a device of this MTU.
[[nodiscard]] constexpr std::uint16_t mss_for(std::uint16_t mtu, bool v4) noexcept {
  const auto header = header_size(v4);
  return static_cast<std::uint16_t>(mtu > header ? mtu - header : 1u);
}
/// The window of a SYN: as a kernel does, the largest multiple of the MSS below 65,536.
[[nodiscard]] constexpr std::uint16_t syn_window(std::uint16_t mss) noexcept {
  return static_cast<std::uint16_t>(65'535u / mss * mss);
}

/// What 65,535 at window scale 14 announces, in round figures: the room for data in flight.
inline constexpr std::uint32_t receive_window = std::uint32_t{1} << 30;

/// Room for early segments (those that overtake the peer's hello).
inline constexpr std::uint32_t max_held_segments = 64;
inline constexpr std::uint32_t max_held_bytes = 64 * 1024;

/// Early data, a repeated hello, or ACKs of another age ask for a first flight or SYN at once, but not
/// for a stream of them.
inline constexpr auto repeat_interval = std::chrono::milliseconds{200};

/// A header that answers `in` from the other end; seq, ack and flags are the caller's.
[[nodiscard]] inline segment_header answer_to(const segment_repr& in, seq_num seq, seq_num ack,
                                              std::uint8_t flags) noexcept {
  segment_header out;
  out.tuple = in.tuple;
  out.seq = seq;
  out.ack = ack;
  out.flags = flags;
  return out;
}

/// A SYN of tonel 0.6.1 or phantun, whatever MSS a router put in; a native one starts above 65,535.
[[nodiscard]] inline bool is_legacy_syn(const segment_repr& in) noexcept {
  return in.seq.raw <= 65'535 && in.window_scale == 14 && !in.sack_permitted && !in.timestamps;
}

/// Any other is answered as a native one: a health check's need not look like ours.
[[nodiscard]] inline bool is_native_syn(const segment_repr& in) noexcept {
  return !is_legacy_syn(in);
}

/// Of what older program a SYN-ACK is, if it is of one. Neither permits SACK, which firewalls strip from
/// a native SYN-ACK, too; but that never starts so low.
[[nodiscard]] inline std::optional<profile> older_syn_ack(const segment_repr& in) noexcept {
  if (in.sack_permitted || in.seq.raw > 65'535) return std::nullopt;
  return token_in(in.seq) != 0 ? profile::tonel : profile::phantun;
}

/// What a native SYN is answered with.
[[nodiscard]] inline segment_header native_syn_ack(const segment_repr& in, seq_num iss,
                                                   std::uint16_t mtu) noexcept {
  auto out = answer_to(in, iss, in.seq + 1, flag::syn | flag::ack);
  out.mss = mss_for(mtu, in.tuple.local.address.is_v4());
  out.window = syn_window(out.mss);
  out.scaled = in.window_scale >= 0;
  return out;
}

/// The SYN-ACK of the older dialects: no option but the window scale.
[[nodiscard]] inline segment_header legacy_syn_ack(const segment_repr& in,
                                                   std::uint16_t token) noexcept {
  return answer_to(in, {token}, in.seq + 1, flag::syn | flag::ack);
}

} // namespace tonel::protocol
