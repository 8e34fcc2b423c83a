#pragma once

#include "protocol/rate_limit.hpp"
#include "protocol/time.hpp"

#include <chrono>

namespace tonel::protocol::flow {

/// How often a stream answers what can't be its peer's by a challenge ACK: once in 5 s always, once in
/// 500 ms as long as the shard's budget lasts. What one stream draws, others can't have: so the limit
/// is each stream's own first.
/// Source: RFC 5961 §7, CVE-2016-5696
class challenge_limit {
public:
  static constexpr duration sure_interval = std::chrono::seconds{5};
  static constexpr duration interval = std::chrono::milliseconds{500};

  /// budget: what the streams of a shard share, and null where they share none
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
