#pragma once

#include "protocol/rate_limit.hpp"
#include "protocol/time.hpp"

#include <chrono>

namespace tonel::protocol::flow {

/// Limits the challenge ACKs by which a stream answers segments that cannot be its peer's: one in 5
/// s always, one in 500 ms as long as the shard's budget lasts. Each stream has its own limit
/// first, so that no stream uses up the budget of all.
/// Source: RFC 5961 §7, CVE-2016-5696
class challenge_limit {
public:
  static constexpr duration sure_interval = std::chrono::seconds{5};
  static constexpr duration interval = std::chrono::milliseconds{500};

  /// budget: shared by the streams of a shard; null: none
  [[nodiscard]] bool take(time_point now, random_rate_limit* budget) noexcept {
    const auto since = last_ == time_point::min() ? duration::max() : now - last_;
    const bool allowed =
        since >= sure_interval || (since >= interval && budget != nullptr && budget->take(now));
    if (allowed) last_ = now;
    return allowed;
  }

private:
  time_point last_ = time_point::min();
};

} // namespace tonel::protocol::flow
