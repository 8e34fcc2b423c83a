#pragma once

#include "protocol/time.hpp"

#include <chrono>
#include <cstdint>

namespace tonel::protocol::flow {

/// The smoothed round-trip time and its variation.
/// Source: RFC 6298 §2
class round_trip {
public:
  static constexpr duration least_patience = std::chrono::milliseconds{500};
  static constexpr duration most_patience = std::chrono::seconds{4};

  /// A round trip was measured.
  void measured(duration sample) noexcept;
  bool known() const noexcept { return smoothed_ != 0; }
  /// 0: unknown.
  duration smoothed() const noexcept { return std::chrono::microseconds{smoothed_}; }
  /// How long the answer to a probe may take.
  duration patience() const noexcept;

private:
  std::uint32_t smoothed_ = 0, variation_ = 0; ///< microseconds
};

} // namespace tonel::protocol::flow
