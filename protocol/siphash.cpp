#include "protocol/siphash.hpp"

namespace tonel::protocol {

namespace {

// SipHash is defined over little-endian words, whatever the host's order.
std::uint64_t load_le(const std::uint8_t* at, std::size_t count) noexcept {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < count; ++i)
    word |= std::uint64_t{at[i]} << (8 * i);
  return word;
}

} // namespace

std::uint64_t siphash24(const std::array<std::uint8_t, 16>& key, byte_view bytes) noexcept {
  sip_words<2, 4> words{load_le(key.data(), 8), load_le(key.data() + 8, 8)};
  const auto whole = bytes.size() / 8 * 8;
  for (std::size_t at = 0; at < whole; at += 8)
    words.take(load_le(bytes.data() + at, 8));
  // The last word: the remaining octets, with the length's low octet on top.
  const auto left = bytes.size() - whole;
  words.take((std::uint64_t{bytes.size()} << 56) |
             (left == 0 ? 0 : load_le(bytes.data() + whole, left)));
  return words.finish();
}

} // namespace tonel::protocol
