#pragma once

#include "protocol/address.hpp"
#include "protocol/time.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tonel::protocol {

/// What was guessed: the number of a handshake that opens a group, or of one that joins a group.
enum class guess_kind : std::uint8_t { opening, join };

/// Bounds how often the 16 bits that an older client proves may be guessed wrong, by one source and by
/// all: after that this kind of handshake rests for that source, or for all that have no group. Anyone
/// can guess in the name of another, so a source that has proven itself is not shut out as soon.
/// Shape:  a table of fixed size, where a source whose place is taken counts among all alone; a guess that
///         is repeated counts once, as that is what a client says to a server that was restarted
/// Units:  an IPv6 source is a /64
/// Thread: none of its own; the shell guards it where several shards share it
class guess_limit {
public:
  static constexpr std::uint32_t per_source = 64, per_proven_source = 1'024, in_all = 4'096;
  /// In which so many are allowed, and how long a source rests.
  static constexpr duration period = std::chrono::minutes{10};
  static constexpr std::size_t places = 1'024;

  explicit guess_limit(address_hash hash) : hash_(hash), table_(places) {}
  /// What is known of a source.
  enum class standing : std::uint8_t {
    none,
    has_group, ///< its handshake was right once
    proven,    ///< and it has acknowledged datagrams of that group
  };
  /// guess: what was guessed, whichever way. Where the source's rest begins: after how many; else 0.
  std::uint32_t wrong(const ip_address& source, standing of, guess_kind kind, std::uint32_t guess,
                      time_point now) noexcept;
  [[nodiscard]] bool rests(const ip_address& source, standing of, guess_kind kind,
                           time_point now) const noexcept;

private:
  struct tally {
    std::uint32_t count = 0;
    bool proven = false;                  ///< the source was, while it was counted
    time_point until = time_point::min(); ///< of counting, or of the rest
    std::array<std::uint32_t, 8> last{};  ///< guesses, by turns
  };
  using tallies = std::array<tally, 2>; ///< by guess_kind
  struct place {
    ip_address source;
    tallies of;
  };
  static std::uint32_t bound(const tally& t, standing of) noexcept {
    return t.proven || of == standing::proven ? per_proven_source : per_source;
  }
  std::size_t index_of(const ip_address& source) const noexcept;

  address_hash hash_;
  std::vector<place> table_;
  /// By guess_kind: when all that was guessed is made up for.
  std::array<time_point, 2> all_until_ = {time_point::min(), time_point::min()};
};

} // namespace tonel::protocol
