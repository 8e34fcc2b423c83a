#include "protocol/flow/judge.hpp"

#include "protocol/wire.hpp"

namespace tonel::protocol::flow {

/// For ACKs the rule of RFC 5961 §5.2; for SEQ a narrower one than RFC 9293's, since a window as
/// wide as the announced one would accept a stranger's guesses (docs/wire.md).
/// DEVIATION RFC 9293 §3.10.7.4: a segment below RCV.NXT is accepted, too: nothing is ever sent
/// again, so it is a late datagram and no copy.
verdict judge::out_of_order(const sequence_space& space, std::int64_t at, std::int64_t length,
                            std::int64_t ack, std::uint64_t control) const noexcept {
  const auto next = static_cast<std::int64_t>(space.rcv_end);
  const auto acked = static_cast<std::int64_t>(space.acked);
  const auto range = recent_.range(space.rcv_end, space.acked, space.snd_end);
  if (ack + static_cast<std::int64_t>(range.acks_behind) < acked || at < (length > 0 ? 0 : -1) ||
      at > next + std::int64_t{receive_window})
    return verdict::foreign;
  if (at > next + static_cast<std::int64_t>(range.ahead)) return verdict::ahead;
  if (at + static_cast<std::int64_t>(range.behind) >= next) return verdict::fits;
  return at + length <= static_cast<std::int64_t>(control) ? verdict::fits : verdict::foreign;
}

} // namespace tonel::protocol::flow
