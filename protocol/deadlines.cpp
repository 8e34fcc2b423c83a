#include "protocol/deadlines.hpp"

#include <cstdint>
#include <ratio>

namespace tonel::protocol {

std::string tenths_of_seconds(duration d) {
  const auto tenths = std::chrono::round<std::chrono::duration<std::int64_t, std::deci>>(d).count();
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) + " s";
}

} // namespace tonel::protocol
