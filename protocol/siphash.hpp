#pragma once

#include "protocol/bytes.hpp"

#include <array>
#include <cstdint>

namespace tonel::protocol {

/// SipHash-2-4 (Aumasson, Bernstein 2012), 64-bit result.
[[nodiscard]] std::uint64_t siphash24(const std::array<std::uint8_t, 16>& key,
                                      byte_view bytes) noexcept;

} // namespace tonel::protocol
