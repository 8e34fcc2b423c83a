#include "protocol/plausible.hpp"

#include <algorithm>

namespace tonel::protocol {

namespace {

/// Octets that may be late at any rate: half a second of jitter at 1 Mbit/s.
constexpr std::uint64_t least_behind = std::uint64_t{64} << 10;
/// Octets that may be lost in front of a segment: at least a burst after a pause; and the most that
/// is believed without asking the peer.
constexpr std::uint64_t least_ahead = std::uint64_t{1} << 20;
constexpr std::uint64_t most_ahead = std::uint64_t{64} << 20;

} // namespace

plausible_range recent_progress::range(std::uint64_t received, std::uint64_t acknowledged,
                                       std::uint64_t sent) const noexcept {
  const auto came = static_cast<std::uint32_t>(received) - older_.received;
  const auto acked = static_cast<std::uint32_t>(acknowledged) - older_.acknowledged;
  plausible_range out;
  out.acks_behind = least_behind + std::min<std::uint64_t>(acked, least_ahead);
  // Half for late segments and half for lost ones.
  const auto most = most_beside(sent - acknowledged + out.acks_behind + 1) / 2;
  out.behind = std::min(least_behind + came, most);
  out.ahead = std::min(std::clamp(std::uint64_t{4} * came, least_ahead, most_ahead), most);
  return out;
}

} // namespace tonel::protocol
