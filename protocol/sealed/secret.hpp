#pragma once

#include "protocol/bytes.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace tonel::protocol::sealed {

/// 32 octets that nobody else may know: a tunnel's key, or what follows from one. Overwritten when
/// they are not needed any more.
class secret {
public:
  static constexpr std::size_t size = 32;
  using octets = std::array<std::uint8_t, size>;

  secret() noexcept = default;
  explicit secret(const octets& value) noexcept : octets_(value) {}
  secret(const secret&) noexcept = default;
  secret& operator=(const secret&) noexcept = default;
  ~secret() { wipe(octets_); }

  byte_view view() const noexcept { return octets_; }
  byte_span span() noexcept { return octets_; }
  const octets& value() const noexcept { return octets_; }

  /// Overwrites octets, even where nothing reads them afterwards.
  static void wipe(byte_span bytes) noexcept {
    for (volatile auto& octet : bytes)
      octet = 0;
  }

private:
  octets octets_{};
};

} // namespace tonel::protocol::sealed
