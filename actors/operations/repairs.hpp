#pragma once

#include "protocol/time.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace tonel::actors {

// What the keepers of the host's parts have in common: they mend what others change.

/// How long a change by others waits until it is looked at. A change comes as several messages, so it
/// settles first; a look that costs much is made more seldom; and a program that undoes each repair at
/// once is met ever more seldom, down to one repair in 30 s.
class repair_pace {
public:
  explicit repair_pace(protocol::duration settle) noexcept : settle_(settle) {}

  protocol::duration wait(protocol::time_point now) const noexcept {
    return std::max(in_peace(now) ? settle_ : slow(), std::min(most_for_cost_, 2 * cost_));
  }
  /// What others have changed now stays so for longer than a second.
  bool gives_way(protocol::time_point now) const noexcept {
    return !in_peace(now) && slow() > std::chrono::seconds{1};
  }
  /// A look has taken this long.
  void looked(protocol::duration cost) noexcept { cost_ = cost; }
  /// Something was mended. True: again and again now, which is said once.
  bool mended(protocol::time_point now) noexcept {
    in_a_row_ = in_peace(now) ? 1 : in_a_row_ + 1;
    last_ = now;
    return in_a_row_ == tolerated + 1;
  }

private:
  protocol::duration slow() const noexcept {
    const int beyond = std::clamp(in_a_row_ - tolerated, 0, 20);
    return std::min(most_, settle_ * (std::int64_t{1} << beyond));
  }
  bool in_peace(protocol::time_point now) const noexcept {
    return in_a_row_ == 0 || now - last_ >= slow() + calm_;
  }

  static constexpr int tolerated = 16; // an administrator who tries things out
  static constexpr protocol::duration calm_ = std::chrono::seconds{5},
                                      most_ = std::chrono::seconds{30},
                                      most_for_cost_ = std::chrono::seconds{5};
  protocol::duration settle_, cost_{};
  protocol::time_point last_{};
  int in_a_row_ = 0;
};

inline std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts)
    out += (out.empty() ? "" : ", ") + part;
  return out;
}

} // namespace tonel::actors
