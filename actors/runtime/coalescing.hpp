#pragma once

#include "protocol/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace tonel::actors {

/// Whether a loop rests before it reads again. A reader that wakes at the first datagram of a burst
/// cuts it into short runs, and short runs are what costs; but a rest is a timer and a wake-up of its
/// own, and one that finds no more than a wait would have found is a loss. So both ways are tried, and
/// the one that finds more at a time is taken; now and then the other one, to see whether that still
/// holds. What follows a wait and what follows a rest are judged apart: inside a burst and behind it
/// differ. A lone datagram is never delayed.
/// Shape: after_pass() says what to do before the next wait; a rest in which nothing came is reported
///        by rested_in_vain(), and a plain wait follows
class coalescing {
public:
  /// Zero: never rest.
  void set_most(protocol::duration most) noexcept { most_ = most; }
  /// The readers have found so many datagrams since the last call. Gives how long to rest now.
  protocol::duration after_pass(std::size_t found) noexcept;
  void rested_in_vain() noexcept;

private:
  /// Datagrams that one way of going on finds in the next pass, averaged.
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
  estimate* awaited_ = nullptr; ///< what the next pass is a sample of
  bool resting_ = false;        ///< the last answer was a rest, and it was not in vain
};

} // namespace tonel::actors
