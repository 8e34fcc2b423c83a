#pragma once

#include "protocol/address.hpp"
#include "protocol/rate_limit.hpp"
#include "protocol/time.hpp"

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace tonel::actors {

/// Counts a shard's sessions and says whether one more may be.
class session_limits {
public:
  struct bounds {
    std::size_t sessions = 0;
    std::size_t per_source = 0;
    std::size_t opening = 0;
    std::uint32_t per_second = 0;
  };
  session_limits(const bounds& b, protocol::address_hash hash)
      : bounds_(b), new_(b.per_second), by_source_(0, hash) {}

  /// Takes a place for a session of this source; false: refused, nothing taken.
  bool admit(const protocol::ip_address& source, protocol::time_point now);
  void opened() noexcept { --opening_; }
  /// was_opened: opened() has been called for it.
  void closed(const protocol::ip_address& source, bool was_opened);
  std::size_t sessions() const noexcept { return sessions_; }

private:
  bounds bounds_;
  protocol::rate_limit new_;
  std::size_t sessions_ = 0;
  std::size_t opening_ = 0;
  std::unordered_map<protocol::ip_address, std::size_t, protocol::address_hash> by_source_;
};

} // namespace tonel::actors
