#pragma once

#include "protocol/address.hpp"
#include "protocol/bytes.hpp"

#include <cstdint>

namespace tonel::protocol {

/// The Internet checksum as a running sum.
/// Units:  host byte order of 16-bit big-endian words
/// Source: RFC 1071 §1, §2
class inet_checksum {
public:
  constexpr inet_checksum() noexcept = default;
  /// Adds octets. Pieces may have odd lengths: the sum continues at the next octet.
  [[nodiscard]] inet_checksum add(byte_view bytes) const noexcept;
  /// Adds the two octets of a word.
  [[nodiscard]] inet_checksum add16(std::uint16_t word) const noexcept;
  /// The one's-complement sum, not inverted: 0xffff over data with a correct checksum.
  [[nodiscard]] std::uint16_t folded() const noexcept;
  /// The value of the checksum field: the inverse of folded().
  [[nodiscard]] std::uint16_t finish() const noexcept {
    return static_cast<std::uint16_t>(~folded());
  }

private:
  std::uint64_t sum_ = 0;
  bool odd_ = false;
};

/// The sum of the pseudo header for an IP protocol; both IP versions sum the same words.
/// Units:  length in octets
/// Source: RFC 9293 §3.1, RFC 8200 §8.1
[[nodiscard]] inet_checksum pseudo_header(const ip_address& source, const ip_address& destination,
                                          std::uint8_t protocol, std::uint32_t length) noexcept;

/// The sum of the pseudo header for TCP (RFC 9293 §3.1, RFC 8200 §8.1).
[[nodiscard]] inet_checksum tcp_pseudo_header(const ip_address& source,
                                              const ip_address& destination,
                                              std::uint32_t tcp_length) noexcept;

} // namespace tonel::protocol
