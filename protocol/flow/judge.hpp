#pragma once

#include "protocol/flow/sequence_space.hpp"
#include "protocol/plausible.hpp"
#include "protocol/time.hpp"

#include <cstdint>

namespace tonel::protocol::flow {

/// Whether a segment can be the peer's, sent recently; `ahead`: only if the peer confirms it.
enum class verdict : std::uint8_t { fits, ahead, foreign };

/// Tells the peer's segments from a stranger's guesses, by their numbers and the recent progress.
/// Units:  positions as in sequence_space
/// Source: RFC 5961 §5.2, RFC 9293 §3.10.7.4; docs/wire.md, "What is believed"
class judge {
public:
  /// length: with a FIN; control: position before which the peer's first flight lies. It is
  ///         accepted however late it comes, since it is needed.
  [[nodiscard]] verdict of(const sequence_space& space, std::int64_t at, std::int64_t length,
                           std::int64_t ack, std::uint64_t control) const noexcept {
    if (ack < 0 || ack > static_cast<std::int64_t>(space.snd_end)) return verdict::foreign;
    if (at == static_cast<std::int64_t>(space.rcv_end) &&
        ack >= static_cast<std::int64_t>(space.acked))
      return verdict::fits; // nearly all segments
    return out_of_order(space, at, length, ack, control);
  }
  /// Call it for each accepted segment, before updating `space`.
  void note(time_point now, const sequence_space& space) noexcept {
    recent_.note(now, space.rcv_end, space.acked);
  }

private:
  verdict out_of_order(const sequence_space& space, std::int64_t at, std::int64_t length,
                       std::int64_t ack, std::uint64_t control) const noexcept;

  recent_progress recent_;
};

} // namespace tonel::protocol::flow
