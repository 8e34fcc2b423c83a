#pragma once

#include <cstddef>
#include <cstdint>

namespace tonel::bench {

/// Datagrams of this size and more carry a whole header, smaller ones a compact form.
inline constexpr std::size_t header_size = 32;
/// The same of a header that also says when the datagram was sent.
inline constexpr std::size_t timed_header_size = 40;
/// The largest UDP payload over IPv4.
inline constexpr std::size_t max_datagram = 65507;

/// What identifies a datagram among all that were ever sent.
/// Units:  `time` is CLOCK_MONOTONIC in nanoseconds; 0: the datagram does not tell
struct stamp {
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;
  std::uint64_t sequence = 0;
  std::uint64_t time = 0;
};

enum class verdict : std::uint8_t { intact, altered, wrong_length };

/// What one received datagram says of itself.
/// Units:  `sequence_bits` counts the low bits of `from.sequence` that are known; 0: not numbered
struct reading {
  verdict result = verdict::altered;
  bool whole_header = false; ///< seed and stream are known
  unsigned sequence_bits = 0;
  stamp from;
};

/// True iff a datagram of this size has room for a sequence number. Senders give the others none,
/// so that an unnumbered datagram leaves no gap.
constexpr bool is_numbered(std::size_t size) noexcept { return size >= 2; }

/// Writes the datagram that `check` expects.
/// Shape:  32 and more: magic 4 | length 4 | stream 4 | check word 4 | sequence 8 | seed 8 |
///                      with a time, from 40 on, and another magic: time 8 | pattern
///         1 to 31:     0x40 + size | low bytes of the sequence, at most 6 | pattern
///         0:           nothing
/// Units:  little-endian; the pattern's bytes depend on seed, stream and sequence
void fill(std::uint8_t* out, std::size_t size, const stamp& from) noexcept;

/// Compares a datagram with what its sender must have written. `wrong_length` means that borders
/// were moved: the beginning is ours, and speaks of another size.
reading check(const std::uint8_t* bytes, std::size_t size) noexcept;

/// A bijective mix of 64 bits (the finalizer of splitmix64): cheap, and every bit counts.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9U;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebU;
  x ^= x >> 31;
  return x;
}

} // namespace tonel::bench
