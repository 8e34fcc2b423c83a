#pragma once

#include "protocol/packet.hpp"

#include <cstddef>
#include <cstdint>

namespace tonel::protocol {

/// Grows one run: consecutive datagrams of equal size, the last of which may be shorter. It decides
/// how much of the next piece (the datagrams of one read, a run themselves) may join; the caller
/// keeps the pieces.
/// Shape: at most max_run_segments datagrams and `capacity` octets of payload; a zero-length
///        datagram is a run of its own
class run_builder {
public:
  /// capacity: octets of payload: 65,535 less the headers
  explicit run_builder(std::size_t capacity) noexcept : capacity_(capacity) {}

  /// Takes the next piece, `length` octets in datagrams of `datagram_size`, if all of it can join.
  /// An empty run takes any piece of up to capacity and max_run_segments. False: cut the piece by
  /// room(), close the run by reset(), and offer the rest again.
  bool take(std::uint32_t length, std::uint32_t datagram_size) noexcept;
  /// The number of datagrams at the start of a piece that may still join. 0 for an empty run: the
  /// first datagram exceeds the capacity.
  std::uint32_t room(std::uint32_t length, std::uint32_t datagram_size) const noexcept;
  /// Begins the next run.
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
  bool closed_ = false; ///< a shorter datagram has ended the run
};

/// The number of datagrams in `length` octets cut at `datagram_size`; 1 for a zero-length datagram.
constexpr std::uint32_t datagrams_in(std::uint32_t length, std::uint32_t datagram_size) noexcept {
  return datagram_size == 0 ? 1 : (length + datagram_size - 1) / datagram_size;
}

} // namespace tonel::protocol
