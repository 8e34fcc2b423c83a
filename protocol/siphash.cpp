#include "protocol/siphash.hpp"

namespace tonel::protocol {

namespace {

constexpr std::uint64_t rotated(std::uint64_t v, unsigned by) noexcept {
  return (v << by) | (v >> (64 - by));
}

// SipHash is defined over little-endian words, whatever the host's order.
std::uint64_t load_le(const std::uint8_t* at, std::size_t count) noexcept {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < count; ++i)
    word |= std::uint64_t{at[i]} << (8 * i);
  return word;
}

struct sip_words {
  std::uint64_t a, b, c, d;

  void mix(int rounds) noexcept {
    for (; rounds > 0; --rounds) {
      a += b;
      c += d;
      b = rotated(b, 13) ^ a;
      d = rotated(d, 16) ^ c;
      a = rotated(a, 32);
      c += b;
      a += d;
      b = rotated(b, 17) ^ c;
      d = rotated(d, 21) ^ a;
      c = rotated(c, 32);
    }
  }
  void take(std::uint64_t word) noexcept {
    d ^= word;
    mix(2);
    a ^= word;
  }
};

} // namespace

std::uint64_t siphash24(const std::array<std::uint8_t, 16>& key, byte_view bytes) noexcept {
  const auto k0 = load_le(key.data(), 8);
  const auto k1 = load_le(key.data() + 8, 8);
  sip_words v{k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
              k1 ^ 0x7465646279746573u};

  const auto whole = bytes.size() / 8 * 8;
  for (std::size_t at = 0; at < whole; at += 8)
    v.take(load_le(bytes.data() + at, 8));
  // The last word: what is left over, and the length's low octet on top.
  const auto left = bytes.size() - whole;
  v.take((std::uint64_t{bytes.size()} << 56) |
         (left == 0 ? 0 : load_le(bytes.data() + whole, left)));
  v.c ^= 0xff;
  v.mix(4);
  return v.a ^ v.b ^ v.c ^ v.d;
}

} // namespace tonel::protocol
