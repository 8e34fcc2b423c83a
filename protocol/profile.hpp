#pragma once

#include "protocol/seq.hpp"

#include <cstdint>

namespace tonel::protocol {

/// The wire dialect of a stream (docs/wire.md; docs/legacy.md for the older ones).
/// Shape: legacy is tonel 0.6.1 or phantun where the peer has not shown which of the two it is
enum class profile : std::uint8_t { native, legacy, tonel, phantun };

/// "native", "legacy", "tonel", "phantun"
[[nodiscard]] const char* to_string(profile p) noexcept;

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
