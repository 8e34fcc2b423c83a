#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace tonel::protocol {

/// The clock that time points are of: CLOCK_BOOTTIME on Linux. It has no now(): time is an argument
/// everywhere in protocol/, so that tests and the simulator own it.
struct boot_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<boot_clock, duration>;
  static constexpr bool is_steady = true;
};

/// A moment of boot_clock; where it starts is the caller's choice, as long as it never goes back.
using time_point = boot_clock::time_point;
using duration = boot_clock::duration;

/// The first time of a schedule, counted from `start`, that is still to come; or its last.
template <std::size_t N>
time_point next_of(const std::array<duration, N>& schedule, time_point start,
                   time_point now) noexcept {
  for (const auto after : schedule)
    if (start + after > now) return start + after;
  return start + schedule.back();
}

} // namespace tonel::protocol
