#pragma once

#include "protocol/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace tonel::actors {

/// Decides whether a loop rests before it reads again. A reader that wakes at the first datagram of
/// a burst cuts the burst into short, expensive runs; but a rest costs a timer and a wake-up, and
/// is a loss if it finds no more datagrams than a wait. So both are tried, the one that finds more
/// datagrams at a time is used, and the other is tried again now and then. The passes after a wait
/// and those after a rest are judged separately, since inside a burst and after it they differ. A
/// lone datagram is never delayed.
/// Shape: call after_pass() after each pass; after a rest in which nothing came, rested_in_vain()
class coalescing {
public:
  /// most: the longest rest; zero: never rest
  void set_most(protocol::duration most) noexcept { most_ = most; }
  /// found: datagrams that readers have found since the last call. Gives how long to rest now.
  protocol::duration after_pass(std::size_t found) noexcept;
  /// The rest that after_pass() gave has found nothing.
  void rested_in_vain() noexcept;

private:
  /// The average number of datagrams that the next pass finds, after a rest or after a wait.
  struct estimate {
    float found = 0;
    bool known = false;
    void add(std::size_t datagrams) noexcept;
  };
  struct habit {
    estimate with_rest, without;
    std::uint32_t until_trial = trial_interval;
  };
  static constexpr std::uint32_t trial_interval = 32;

  bool choose(habit& h) noexcept;

  protocol::duration most_{};
  std::array<habit, 2> habits_; ///< after a wait, and after a rest
  estimate* awaited_ = nullptr; ///< the estimate that the next pass updates
  bool resting_ = false;        ///< the last pass followed a rest that was not in vain
};

} // namespace tonel::actors
