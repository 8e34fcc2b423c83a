#pragma once

#include "protocol/time.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tonel::protocol {

/// Allows a number of restarts within a period; a failure beyond it goes up one level.
/// Source: OTP supervisors' intensity and period
class restart_budget {
public:
  restart_budget(std::size_t restarts, duration period) noexcept
      : restarts_(restarts), period_(period) {}
  /// Takes one restart; false: the budget is used up.
  bool take(time_point now) {
    const auto recent =
        std::find_if(taken_.begin(), taken_.end(), [&](auto at) { return now - at <= period_; });
    taken_.erase(taken_.begin(), recent);
    if (taken_.size() >= restarts_) return false;
    taken_.push_back(now);
    return true;
  }

private:
  std::size_t restarts_;
  duration period_;
  std::vector<time_point> taken_; ///< a vector: every session has a budget, mostly empty
};

/// The wait before each next try: `first`, then doubling from `base` up to `most`.
class backoff {
public:
  backoff(duration first, duration base, duration most) noexcept
      : first_(first), base_(base), most_(most) {}
  /// The wait before the next try.
  duration next() noexcept {
    const auto wait = tries_ == 0
                          ? first_
                          : std::min(most_, base_ * (std::int64_t{1} << std::min(tries_ - 1, 20)));
    ++tries_;
    return wait;
  }
  /// The next wait is `first` again.
  void reset() noexcept { tries_ = 0; }

private:
  duration first_, base_, most_;
  int tries_ = 0;
};

} // namespace tonel::protocol
