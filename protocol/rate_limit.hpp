#pragma once

#include "protocol/time.hpp"

#include <chrono>
#include <cstdint>

namespace tonel::protocol {

/// At most so many a second, counted in whole seconds; shared by what lives on one thread.
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

/// Deals out points in time that are a step apart, so that what falls due at once is done in turn.
class turns {
public:
  explicit turns(duration step) noexcept : step_(step) {}
  /// Now, or a step after the last one given.
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
