#include "actors/runtime/log_limit.hpp"

#include <algorithm>

namespace tonel::actors {

std::optional<std::uint64_t> log_limit::admit(log_place place, time_point now) {
  if (place.file == nullptr) return 0;
  const auto [found, made] = buckets_.try_emplace({place.file, place.line});
  auto& b = found->second;
  if (made) {
    b.left = at_once_;
    b.since = now;
  }
  const auto gained = (now - b.since) / each_;
  if (gained > 0) {
    const auto room = static_cast<std::int64_t>(at_once_ - b.left);
    b.left += static_cast<std::uint32_t>(std::min<std::int64_t>(room, gained));
    // The rest of the time counts for the next token.
    b.since += gained * each_;
  }
  if (b.left == 0) {
    ++b.left_out;
    return std::nullopt;
  }
  --b.left;
  return std::exchange(b.left_out, 0);
}

} // namespace tonel::actors
