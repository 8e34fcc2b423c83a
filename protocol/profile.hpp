#pragma once

#include "protocol/seq.hpp"

#include <cstdint>

namespace tonel::protocol {

/// The dialect of a stream (docs/wire.md; docs/legacy.md for the legacy dialects).
/// Shape: legacy: tonel 0.6.1 or phantun, as long as the peer has not shown which of the two it is
enum class profile : std::uint8_t { native, legacy, tonel, phantun };

/// "native", "legacy", "tonel", "phantun"
[[nodiscard]] const char* to_string(profile p) noexcept;

/// The token in a sequence number of tonel 0.6.1, which names a group of connections by 16 bits;
/// 0: no group, as for all larger numbers.
[[nodiscard]] constexpr std::uint16_t token_in(seq_num seq) noexcept {
  return static_cast<std::uint16_t>(seq.raw <= 65'535 ? seq.raw : 0);
}

/// A native initial sequence number from random bits, never one of a legacy dialect.
[[nodiscard]] constexpr seq_num native_isn(std::uint32_t random) noexcept {
  return {random <= 65'535 ? random ^ 0x8000'0000u : random};
}

} // namespace tonel::protocol
