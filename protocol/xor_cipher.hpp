#pragma once

#include "protocol/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tonel::protocol {

/// Combines every datagram with a repeated key by exclusive or, starting at the key's first octet.
/// Protects nothing: whoever guesses octets of a datagram has those of the key.
/// Shape:  out[i] = in[i] ^ key[i mod length]; the same in both directions; adds no octets
/// Thread: any
/// Source: tonel 0.6.1, which uses at most 1,500 octets of a key
class xor_cipher {
public:
  static constexpr std::size_t max_key = 1500;

  /// key: not empty; octets beyond max_key are ignored
  explicit xor_cipher(std::string_view key);

  /// Changes datagrams in place. datagram_size: octets of each; the last one may be shorter
  void apply(byte_span datagrams, std::uint32_t datagram_size) const noexcept;

  /// Tells keys apart without giving them away: a hash, never 0.
  std::uint64_t mark() const noexcept { return mark_; }

  bool operator==(const xor_cipher& other) const noexcept { return stream_ == other.stream_; }

private:
  /// The key, repeated to the length of the largest datagram, so that no modulus is needed.
  std::vector<std::uint8_t> stream_;
  std::uint64_t mark_ = 0;
};

} // namespace tonel::protocol
