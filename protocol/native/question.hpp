#pragma once

#include "protocol/packet.hpp"
#include "protocol/rate_limit.hpp"
#include "protocol/time.hpp"

#include <cstdint>
#include <optional>

namespace tonel::protocol::native {

/// What the windows of keepalives ask the peer to repeat. Who repeats it has seen the keepalive, so that
/// its SEQ is believed however far ahead it is: there is no other way to tell an outage from a stranger's
/// guess.
/// Shape:  windows below 65,535, which says nothing, and never so small that a tracker has less room for
///         it; the last two bits count the keepalives of one question
/// Source: docs/wire.md, "What is believed"
class question {
public:
  /// seed: random and secret
  explicit question(std::uint64_t seed) noexcept : random_(seed) {}

  /// The window of the keepalive that goes out now.
  std::uint16_t window(time_point now) noexcept;
  /// A stream asks where its peer stands at most once in 50 ms, whoever makes it ask.
  bool may_be_asked(time_point now) const noexcept;
  bool is_answered_by(const segment_repr& in) const noexcept;
  /// The answer came: the question is over. What it tells of the round trip, if it is clear which
  /// keepalive it answers.
  std::optional<duration> heard(std::uint16_t window, time_point now) noexcept;
  /// An empty segment whose window is to be repeated by what answers it.
  static bool is_asked_by(const segment_repr& in) noexcept;

private:
  xorshift random_;
  time_point asked_ = time_point::min();      ///< the first keepalive of the present one
  time_point asked_last_ = time_point::min(); ///< its last
  std::uint16_t window_ = 0;                  ///< 0: none was sent
};

} // namespace tonel::protocol::native
