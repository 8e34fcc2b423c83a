#include "protocol/isn.hpp"

#include "protocol/profile.hpp"
#include "protocol/siphash.hpp"

#include <chrono>
#include <ratio>

namespace tonel::protocol {

seq_num client_isn(const std::array<std::uint8_t, 16>& secret, const four_tuple& tuple,
                   time_point now) noexcept {
  using ticks = std::chrono::duration<std::uint64_t, std::ratio<4, 1'000'000>>;
  const auto clock = std::chrono::duration_cast<ticks>(now.time_since_epoch()).count();
  return native_isn(static_cast<std::uint32_t>(siphash24(secret, octets_of(tuple)) + clock));
}

} // namespace tonel::protocol
