#include "protocol/guess_limit.hpp"

#include <algorithm>

namespace tonel::protocol {

namespace {

/// The network that counts as one source.
ip_address network_of(const ip_address& source) noexcept {
  if (!source.is_v6()) return source;
  std::array<std::uint8_t, 16> out{};
  std::copy_n(source.data(), 8, out.begin());
  return ip_address::v6(out.data());
}

constexpr std::size_t index(guess_kind kind) noexcept { return static_cast<std::size_t>(kind); }

} // namespace

std::size_t guess_limit::index_of(const ip_address& source) const noexcept {
  return hash_(source) % table_.size();
}

std::uint32_t guess_limit::wrong(const ip_address& source, standing of, guess_kind kind,
                                 std::uint32_t guess, time_point now) noexcept {
  const auto who = network_of(source);
  auto& p = table_[index_of(who)];
  const bool free =
      std::all_of(p.of.begin(), p.of.end(), [now](const tally& t) { return t.until <= now; });
  const bool own = free || p.source == who;
  if (free) p.source = who;
  auto& t = p.of[index(kind)];
  if (own) {
    if (t.until <= now) t = {0, false, now + period, {}};
    t.proven = t.proven || of == standing::proven;
    if (t.count >= bound(t, of)) return 0; // already refused
    const auto kept = std::min<std::size_t>(t.count, t.last.size());
    if (std::find(t.last.begin(), t.last.begin() + kept, guess) != t.last.begin() + kept) return 0;
  }
  auto& all = all_until_[index(kind)];
  all = std::max(all, now) + period / in_all;
  if (!own) return 0;
  t.last[t.count % t.last.size()] = guess;
  if (++t.count < bound(t, of)) return 0;
  t.until = now + period;
  return t.count;
}

bool guess_limit::rests(const ip_address& source, standing of, guess_kind kind,
                        time_point now) const noexcept {
  const auto all = all_until_[index(kind)];
  if (of == standing::none && all > now && all - now >= period) return true;
  const auto who = network_of(source);
  const auto& p = table_[index_of(who)];
  const auto& t = p.of[index(kind)];
  return t.count >= bound(t, of) && t.until > now && p.source == who;
}

} // namespace tonel::protocol
