#pragma once

#include <cstdint>

namespace tonel::protocol {

/// A TCP sequence number. Serial order: a is before b if b - a, modulo 2^32, is less than 2^31.
/// Source: RFC 1982 §3.2, RFC 9293 §3.4
struct seq_num {
  std::uint32_t raw = 0;

  friend constexpr seq_num operator+(seq_num a, std::uint32_t n) noexcept { return {a.raw + n}; }
  friend constexpr seq_num operator-(seq_num a, std::uint32_t n) noexcept { return {a.raw - n}; }
  /// The signed distance from b to a.
  friend constexpr std::int32_t operator-(seq_num a, seq_num b) noexcept {
    return static_cast<std::int32_t>(a.raw - b.raw);
  }
  friend constexpr bool operator==(seq_num a, seq_num b) noexcept { return a.raw == b.raw; }
  friend constexpr bool operator!=(seq_num a, seq_num b) noexcept { return a.raw != b.raw; }
  friend constexpr bool operator<(seq_num a, seq_num b) noexcept { return a - b < 0; }
  friend constexpr bool operator>(seq_num a, seq_num b) noexcept { return a - b > 0; }
  friend constexpr bool operator<=(seq_num a, seq_num b) noexcept { return a - b <= 0; }
  friend constexpr bool operator>=(seq_num a, seq_num b) noexcept { return a - b >= 0; }
};

} // namespace tonel::protocol
