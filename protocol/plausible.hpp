#pragma once

#include "protocol/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace tonel::protocol {

/// The sequence and acknowledgement numbers that an incoming segment may have: those that can be
/// under way, but so few that a stranger who only knows addresses and ports hardly guesses one.
/// Shape:  (behind + ahead) x (unacknowledged octets + acks_behind) is at most 2^43 of the 2^64
///         pairs of numbers, at any age and rate of the stream: one random segment in 2^21
/// Units:  octets
/// Source: RFC 5961 §5; docs/wire.md, "What is believed"
struct plausible_range {
  std::uint64_t behind = 0;      ///< below RCV.NXT: late segments
  std::uint64_t ahead = 0;       ///< above RCV.NXT: segments that follow lost ones
  std::uint64_t acks_behind = 0; ///< below the highest ack: late segments
};

/// Remembers the progress of a stream in the last second, which is how far back a segment can be.
/// Units: positions are octets since the SYN; times are the stream's clock
class recent_progress {
public:
  /// Call with each segment that is accepted, before the stream moves on.
  void note(time_point now, std::uint64_t received, std::uint64_t acknowledged) noexcept {
    if (now - since_ < slot) return;
    // After a pause no late segment is under way.
    const point at{static_cast<std::uint32_t>(received), static_cast<std::uint32_t>(acknowledged)};
    older_ = now - since_ < 2 * slot ? newer_ : at;
    newer_ = at;
    since_ = now;
  }
  /// The range for a stream whose present positions are these.
  [[nodiscard]] plausible_range range(std::uint64_t received, std::uint64_t acknowledged,
                                      std::uint64_t sent) const noexcept;

private:
  static constexpr auto slot = std::chrono::milliseconds{512};
  /// The low halves of positions: nothing moves by 4 GiB in two slots.
  struct point {
    std::uint32_t received = 0;
    std::uint32_t acknowledged = 0;
  };

  time_point since_{};
  point older_, newer_;
};

/// The most sequence numbers to accept if `others` ack numbers are accepted, or the reverse.
[[nodiscard]] constexpr std::uint64_t most_beside(std::uint64_t others) noexcept {
  return (std::uint64_t{1} << 43) / (others == 0 ? 1 : others);
}

} // namespace tonel::protocol
