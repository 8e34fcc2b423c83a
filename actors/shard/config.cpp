#include "actors/shard/config.hpp"

#include <algorithm>
#include <limits>

namespace tonel::actors {

namespace {

constexpr std::size_t source_share = 16;
// The least share, for the applications of one host, if few sessions are permitted in all.
constexpr std::size_t least_per_source = 64;

} // namespace

std::size_t sessions_per_source(const config& c) noexcept {
  const auto& most = c.bounds;
  if (most.max_sessions_per_source != 0) return most.max_sessions_per_source;
  if (c.side == role::client) return std::numeric_limits<std::uint32_t>::max();
  return std::max(most.max_sessions / source_share, std::min(least_per_source, most.max_sessions));
}

} // namespace tonel::actors
