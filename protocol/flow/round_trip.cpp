#include "protocol/flow/round_trip.hpp"

#include <algorithm>

namespace tonel::protocol::flow {

/// As RFC 6298, except for the first sample, whose variation need not be half of it: no segment is
/// sent again here, so none too early.
void round_trip::measured(duration sample) noexcept {
  using namespace std::chrono_literals;
  const auto us = static_cast<std::uint32_t>(std::clamp<duration>(sample, 1us, 1min) /
                                             std::chrono::microseconds{1});
  if (smoothed_ == 0) {
    smoothed_ = us;
    variation_ = us / 8;
    return;
  }
  const auto apart = us > smoothed_ ? us - smoothed_ : smoothed_ - us;
  variation_ = (3 * variation_ + apart) / 4;
  smoothed_ = (7 * smoothed_ + us) / 8;
}

duration round_trip::patience() const noexcept {
  const std::chrono::microseconds late{2 * std::uint64_t{smoothed_} +
                                       4 * std::uint64_t{variation_}};
  return std::clamp<duration>(late, least_patience, most_patience);
}

} // namespace tonel::protocol::flow
