#pragma once

#include "protocol/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tonel::protocol {

/// The exclusive or of every datagram with a repeated key, from the key's first octet on in each.
/// Hides nothing: who knows or guesses some octets of a datagram has those of the key.
/// Shape:  out[i] = in[i] ^ key[i mod length]; the same for both directions; no octet is added
/// Thread: any
/// Source: tonel 0.6.1, which uses 1,500 octets of a key at most
class xor_cipher {
public:
  static constexpr std::size_t max_key = 1500;

  /// key: not empty; what exceeds max_key does not count.
  explicit xor_cipher(std::string_view key);

  /// Changes datagrams in place that lie one after the other, datagram_size octets each, the last
  /// maybe fewer.
  void apply(byte_span datagrams, std::uint32_t datagram_size) const noexcept;

  bool operator==(const xor_cipher& other) const noexcept { return stream_ == other.stream_; }

private:
  /// The key, repeated to the length of the largest datagram: so that no octet needs a modulus.
  std::vector<std::uint8_t> stream_;
};

} // namespace tonel::protocol
