#pragma once

#include "protocol/packet.hpp"

#include <cstddef>
#include <cstdint>

namespace tonel::protocol {

/// Grows one run: consecutive datagrams of equal size, the last of which may be shorter. Pieces are
/// what one read gave (themselves runs); the caller keeps them, this only says whether the next one
/// may join.
/// Shape: at most max_run_segments datagrams and `capacity` octets of payload; a zero-length
///        datagram is a run alone
class run_builder {
public:
  /// capacity: octets of payload, what is left of 65,535 after the headers.
  explicit run_builder(std::size_t capacity) noexcept : capacity_(capacity) {}

  /// Takes the next piece of `length` octets in datagrams of `datagram_size` if it can join the
  /// run. An empty run takes any piece of up to capacity and max_run_segments. False: as many as
  /// room() says may still join; close this run (reset) and ask again for the rest.
  bool take(std::uint32_t length, std::uint32_t datagram_size) noexcept;
  /// How many datagrams of a piece, from its first, may still join: as many as if each were offered
  /// alone. The caller cuts a piece that fits in part. 0 for an empty run: larger than capacity.
  std::uint32_t room(std::uint32_t length, std::uint32_t datagram_size) const noexcept;
  void reset() noexcept { *this = run_builder{capacity_}; }

  bool empty() const noexcept { return datagrams_ == 0; }
  std::uint32_t bytes() const noexcept { return bytes_; }
  std::uint32_t datagrams() const noexcept { return datagrams_; }
  std::uint32_t datagram_size() const noexcept { return datagram_size_; }

private:
  std::size_t capacity_;
  std::uint32_t bytes_ = 0;
  std::uint32_t datagrams_ = 0;
  std::uint32_t datagram_size_ = 0;
  bool closed_ = false; ///< a shorter datagram ended it
};

/// Datagrams in `length` octets cut into `datagram_size`; 1 for a zero-length datagram.
constexpr std::uint32_t datagrams_in(std::uint32_t length, std::uint32_t datagram_size) noexcept {
  return datagram_size == 0 ? 1 : (length + datagram_size - 1) / datagram_size;
}

} // namespace tonel::protocol
