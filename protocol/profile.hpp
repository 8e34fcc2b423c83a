#pragma once

#include "protocol/seq.hpp"
#include "protocol/time.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tonel::protocol {

/// The wire dialect of a stream (docs/wire.md; docs/legacy.md for the older ones).
/// Shape: legacy is tonel 0.6.1 or phantun where the peer has not shown which of the two it is
enum class profile : std::uint8_t { native, legacy, tonel, phantun };

/// "native", "legacy", "tonel", "phantun"
[[nodiscard]] const char* to_string(profile p) noexcept;

/// What sets the dialects apart; whatever is not here is common to all.
struct profile_rules {
  /// A hello opens each direction, PSH marks zero-length datagrams, FIN closes, SYNs are Linux's.
  /// Without: SYNs have a window scale alone, no segment has PSH, RST closes.
  bool hello;
  /// An ACK without payload does not reach the peer's application.
  bool bare_acks;
  /// The peer answers probes: native ones, or tonel's.
  bool answers_probes;
  /// An empty segment of the peer is a zero-length datagram, PSH or not.
  bool empty_is_datagram;
  /// The peer answers nothing that shows whether it got our third ACK; it has to be asked.
  bool asks_before_data;
  /// Unanswered probes end a server's stream, too.
  bool probes_end_server;
  std::uint8_t probe_count;
  duration first_probe; ///< after what wants an answer
  duration probe_interval;
  /// When the SYN is repeated after the first; the last one is where the port is given up.
  std::array<duration, 4> syn_schedule;
};

[[nodiscard]] inline const profile_rules& rules_of(profile p) noexcept {
  using namespace std::chrono_literals;
  // A second SYN kills tonel's half-open connection: as long as the peer may be tonel, one SYN a
  // port.
  static constexpr std::array<profile_rules, 4> table{{
      {true, true, true, false, false, false, 3, 2s, 1s, {1s, 3s, 7s, 15s}},
      {false, false, false, true, false, false, 0, 0s, 0s, {3s, 3s, 3s, 3s}},
      {false, false, true, true, true, true, 6, 3s, 3s, {3s, 3s, 3s, 3s}},
      {false, true, false, false, false, false, 0, 0s, 0s, {1s, 2s, 3s, 3s}},
  }};
  return table[static_cast<std::size_t>(p)];
}

/// tonel names a group of connections by 16 bits of a sequence number, and reads what is larger, or
/// 0, as "none".
[[nodiscard]] constexpr std::uint16_t token_in(seq_num seq) noexcept {
  return static_cast<std::uint16_t>(seq.raw <= 65'535 ? seq.raw : 0);
}

/// A native initial sequence number from random bits: never one that the older dialects start with.
[[nodiscard]] constexpr seq_num native_isn(std::uint32_t random) noexcept {
  return {random <= 65'535 ? random ^ 0x8000'0000u : random};
}

} // namespace tonel::protocol
