#pragma once

#include <cstddef>
#include <cstdint>

namespace tonel::actors {

/// How many packets a reader asks for before it goes back to its event loop, which knows as well when
/// there are none left. A reader that has found packets one at a time stops at the first: the read
/// that only says "no more" would be one system call in four of a lone datagram's way.
/// Shape: next() before a pass, found() behind it; every few passes a lone reader looks for more
class read_depth {
public:
  /// Enough for runs to form, few enough that the shard's other actors, and the cache, get their
  /// share.
  static constexpr std::size_t most = 64;

  std::size_t next() noexcept;
  /// Of the last pass; none is a pass that does not count. Several that came as one packet are not one
  /// that comes alone: behind them more is likely.
  void found(std::size_t datagrams) noexcept;

private:
  static constexpr std::uint32_t lone_after = 8;
  static constexpr std::uint32_t look_interval = 8;

  std::uint32_t alone_ = 0; ///< passes with one datagram, in a row
};

} // namespace tonel::actors
