#pragma once

#include <chrono>

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

} // namespace tonel::protocol
