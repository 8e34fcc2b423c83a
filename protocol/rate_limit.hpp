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

} // namespace tonel::protocol
