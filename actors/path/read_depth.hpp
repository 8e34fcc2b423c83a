#pragma once

#include <cstddef>
#include <cstdint>

namespace tonel::actors {

/// Decides how many packets a reader asks for before it returns to its event loop, which also
/// notices when there are no more. A reader that has found packets one at a time stops after the
/// first, since the read that only tells "no more" is one system call in four on the way of a lone
/// datagram.
/// Shape: call next() before a pass and found() after it; every few passes a lone reader looks for
///        more
class read_depth {
public:
  /// Enough to form runs, and few enough to be fair to the shard's other actors and to the cache.
  static constexpr std::size_t most = 64;

  /// The number of packets to ask for in the next pass.
  std::size_t next() noexcept;
  /// datagrams: found in the last pass; 0: the pass does not count. Several in one packet count
  ///            as several, since more are likely to follow
  void found(std::size_t datagrams) noexcept;

private:
  static constexpr std::uint32_t lone_after = 8;
  static constexpr std::uint32_t look_interval = 8;

  std::uint32_t alone_ = 0; ///< passes with one datagram, in a row
};

} // namespace tonel::actors
