#pragma once

#include "protocol/bytes.hpp"

#include <array>
#include <cstdint>

namespace tonel::protocol {

/// The state of SipHash-C-D over whole 64-bit words; the caller adds the length, if needed.
/// Source: Aumasson, Bernstein: SipHash, a fast short-input PRF (2012), §2
template <int C, int D> class sip_words {
public:
  constexpr sip_words(std::uint64_t k0, std::uint64_t k1) noexcept
      : a_(k0 ^ 0x736f6d6570736575u), b_(k1 ^ 0x646f72616e646f6du), c_(k0 ^ 0x6c7967656e657261u),
        d_(k1 ^ 0x7465646279746573u) {}
  constexpr void take(std::uint64_t word) noexcept {
    d_ ^= word;
    mix(C);
    a_ ^= word;
  }
  constexpr std::uint64_t finish() noexcept {
    c_ ^= 0xff;
    mix(D);
    return a_ ^ b_ ^ c_ ^ d_;
  }

private:
  static constexpr std::uint64_t rotated(std::uint64_t v, unsigned by) noexcept {
    return (v << by) | (v >> (64 - by));
  }
  constexpr void mix(int rounds) noexcept {
    for (; rounds > 0; --rounds) {
      a_ += b_;
      c_ += d_;
      b_ = rotated(b_, 13) ^ a_;
      d_ = rotated(d_, 16) ^ c_;
      a_ = rotated(a_, 32);
      c_ += b_;
      a_ += d_;
      b_ = rotated(b_, 17) ^ c_;
      d_ = rotated(d_, 21) ^ a_;
      c_ = rotated(c_, 32);
    }
  }

  std::uint64_t a_, b_, c_, d_;
};

/// SipHash-2-4 (Aumasson, Bernstein 2012), 64-bit result.
[[nodiscard]] std::uint64_t siphash24(const std::array<std::uint8_t, 16>& key,
                                      byte_view bytes) noexcept;

} // namespace tonel::protocol
