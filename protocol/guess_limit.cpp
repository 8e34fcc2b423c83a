#include "protocol/guess_limit.hpp"

#include <algorithm>

namespace tonel::protocol {

namespace {

/// What counts as one source.
ip_address network_of(const ip_address& source) noexcept {
  if (!source.is_v6()) return source;
  std::array<std::uint8_t, 16> out{};
  std::copy_n(source.data(), 8, out.begin());
  return ip_address::v6(out.data());
}

} // namespace

std::size_t guess_limit::index_of(const ip_address& source) const noexcept {
  return hash_(source) % table_.size();
}

bool guess_limit::wrong(const ip_address& source, std::uint32_t guess, time_point now) noexcept {
  const auto who = network_of(source);
  auto& p = table_[index_of(who)];
  const bool free = p.until <= now;
  const bool own = free || p.source == who;
  if (free) p = {who, 0, now + period, {}};
  if (own && p.count >= per_source) return false; // it gets nowhere
  if (own && p.count != 0) {
    const auto kept = std::min<std::size_t>(p.count, p.last.size());
    if (std::find(p.last.begin(), p.last.begin() + kept, guess) != p.last.begin() + kept)
      return false;
  }
  all_until_ = std::max(all_until_, now) + period / in_all;
  if (!own) return false;
  p.last[p.count % p.last.size()] = guess;
  if (++p.count < per_source) return false;
  p.until = now + period;
  return true;
}

bool guess_limit::rests(const ip_address& source, bool known, time_point now) const noexcept {
  if (!known && all_until_ > now && all_until_ - now >= period) return true;
  const auto who = network_of(source);
  const auto& p = table_[index_of(who)];
  return p.count >= per_source && p.until > now && p.source == who;
}

} // namespace tonel::protocol
