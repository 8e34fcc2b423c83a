#pragma once

#include "protocol/time.hpp"

#include <chrono>
#include <cstdint>

namespace tonel::protocol {

/// Allows at most `per_second` takes in a second; a second begins with its first take.
/// Thread: one at a time
class rate_limit {
public:
  explicit rate_limit(std::uint32_t per_second) noexcept : per_second_(per_second) {}
  [[nodiscard]] bool take(time_point now) noexcept {
    if (now < since_ || now - since_ >= std::chrono::seconds{1}) {
      since_ = now;
      used_ = 0;
    }
    if (used_ >= per_second_) return false;
    ++used_;
    return true;
  }

private:
  std::uint32_t per_second_;
  std::uint32_t used_ = 0;
  time_point since_{};
};

/// A random generator whose numbers cannot be predicted without the seed; not for keys.
/// Source: S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled"
class xorshift {
public:
  /// seed: random; 0, which would only give zeros, counts as 1
  explicit xorshift(std::uint64_t seed) noexcept : state_(seed == 0 ? 1 : seed) {}
  std::uint32_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<std::uint32_t>((state_ * 0x2545'f491'4f6c'dd1du) >> 32);
  }

private:
  std::uint64_t state_;
};

/// A rate limit whose budget an outsider cannot know: it is drawn anew each second, from half to
/// one and a half times the rate. With a fixed budget, an attacker who counts the answers sees
/// which of his guesses have met a live connection.
/// Source: RFC 5961 §7, CVE-2016-5696
class random_rate_limit {
public:
  /// seed: random and secret
  random_rate_limit(std::uint32_t per_second, std::uint64_t seed) noexcept
      : per_second_(per_second), random_(seed) {}
  [[nodiscard]] bool take(time_point now) noexcept {
    if (now >= until_) {
      until_ = now + std::chrono::seconds{1};
      left_ = per_second_ / 2 + random_.next() % (per_second_ + 1);
    }
    if (left_ == 0) return false;
    --left_;
    return true;
  }

private:
  std::uint32_t per_second_;
  std::uint32_t left_ = 0;
  time_point until_{};
  xorshift random_;
};

/// Gives out time points a step apart, so that things that fall due at once are done in turn.
class turns {
public:
  explicit turns(duration step) noexcept : step_(step) {}
  /// Now, or a step after the last time point given.
  [[nodiscard]] time_point next(time_point now) noexcept {
    const auto turn = free_ < now ? now : free_;
    free_ = turn + step_;
    return turn;
  }

private:
  duration step_;
  time_point free_{};
};

} // namespace tonel::protocol
