#pragma once

#include "protocol/packet.hpp"
#include "protocol/rate_limit.hpp"
#include "protocol/time.hpp"

#include <cstdint>
#include <optional>

namespace tonel::protocol::native {

/// A random number in the window of keepalives, which the peer repeats. A segment that repeats it
/// is from the peer, since it has seen the keepalive, so its SEQ is believed however far ahead it
/// is. Nothing else tells the end of an outage from a stranger's guess.
/// Shape:  below 65,535, the usual window, which asks nothing, and so large that trackers leave as
///         much room; the last two bits count the keepalives of one question
/// Source: docs/wire.md, "What is believed"
class question {
public:
  /// seed: random and secret
  explicit question(std::uint64_t seed) noexcept : random_(seed) {}

  /// The window for a keepalive sent now.
  std::uint16_t window(time_point now) noexcept;
  /// Whether 50 ms have passed since the last keepalive: a stranger's segments must not make a
  /// stream ask more often.
  bool may_be_asked(time_point now) const noexcept;
  /// Whether the segment repeats the window of a keepalive.
  bool is_answered_by(const segment_repr& in) const noexcept;
  /// The answer came: ends the question. Gives the round-trip time, if it is clear which keepalive
  /// was answered.
  std::optional<duration> heard(std::uint16_t window, time_point now) noexcept;
  /// Whether the answer to this segment, an empty one, has to repeat its window.
  static bool is_asked_by(const segment_repr& in) noexcept;

private:
  xorshift random_;
  time_point asked_ = time_point::min();      ///< first keepalive of the present question
  time_point asked_last_ = time_point::min(); ///< last keepalive of it
  std::uint16_t window_ = 0;                  ///< 0: no question
};

} // namespace tonel::protocol::native
