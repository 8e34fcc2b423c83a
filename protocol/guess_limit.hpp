#pragma once

#include "protocol/address.hpp"
#include "protocol/time.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tonel::protocol {

/// Bounds how often the 16 bits that an older client proves may be guessed wrong, by one source and by
/// all: after that the dialect rests for that source, or for all that have no group.
/// Shape:  a table of fixed size, where a source whose place is taken counts among all alone; a guess that
///         is repeated counts once, as that is what a client says to a server that was restarted
/// Units:  an IPv6 source is a /64
/// Thread: none of its own; the shell guards it where several shards share it
class guess_limit {
public:
  static constexpr std::uint32_t per_source = 64, in_all = 4'096;
  /// In which so many are allowed, and how long a source rests.
  static constexpr duration period = std::chrono::minutes{10};
  static constexpr std::size_t places = 1'024;

  explicit guess_limit(address_hash hash) : hash_(hash), table_(places) {}
  /// guess: what was guessed, whichever way. True where the source's rest begins.
  bool wrong(const ip_address& source, std::uint32_t guess, time_point now) noexcept;
  /// known: the source has proven itself, and has a group
  [[nodiscard]] bool rests(const ip_address& source, bool known, time_point now) const noexcept;

private:
  struct place {
    ip_address source;
    std::uint32_t count = 0;
    time_point until = time_point::min(); ///< of counting, or of the rest
    std::array<std::uint32_t, 8> last{};  ///< guesses, by turns
  };
  std::size_t index_of(const ip_address& source) const noexcept;

  address_hash hash_;
  std::vector<place> table_;
  time_point all_until_ = time_point::min(); ///< when all that was guessed is made up for
};

} // namespace tonel::protocol
