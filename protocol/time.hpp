#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace tonel::protocol {

/// The clock of all time points: CLOCK_BOOTTIME on Linux. It has no now(): time is an argument
/// everywhere in protocol/, so that tests and the simulator decide it.
struct boot_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<boot_clock, duration>;
  static constexpr bool is_steady = true;
};

/// A time point of boot_clock. The caller chooses its origin; it must never go back.
using time_point = boot_clock::time_point;
using duration = boot_clock::duration;

/// The first time of a schedule, counted from `start`, that is after `now`; else the last one.
template <std::size_t N>
time_point next_of(const std::array<duration, N>& schedule, time_point start,
                   time_point now) noexcept {
  for (const auto after : schedule)
    if (start + after > now) return start + after;
  return start + schedule.back();
}

} // namespace tonel::protocol
