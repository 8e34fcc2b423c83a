#pragma once

#include "protocol/address.hpp"
#include "protocol/time.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tonel::protocol {

/// The kind of legacy handshake whose number was guessed: it opens a group, or joins one.
enum class guess_kind : std::uint8_t { opening, join };

/// Limits wrong guesses of the 16 bits that a legacy client proves, by each source and in all. At
/// the limit this kind of handshake is refused for that source, or for all sources without a group.
/// Anyone can guess with another's address, so a source that has proven itself has a higher limit.
/// Shape:  a table of fixed size; a source whose place is taken only counts in all. A repeated
///         guess counts once, since clients repeat themselves to a restarted server
/// Units:  an IPv6 source is a /64
/// Thread: one at a time; a shell with several shards adds a lock
class guess_limit {
public:
  static constexpr std::uint32_t per_source = 64, per_proven_source = 1'024, in_all = 4'096;
  /// The time that the limits are for, and for which a source is refused.
  static constexpr duration period = std::chrono::minutes{10};
  static constexpr std::size_t places = 1'024;

  explicit guess_limit(address_hash hash) : hash_(hash), table_(places) {}
  /// How much a source has proven.
  enum class standing : std::uint8_t {
    none,
    has_group, ///< a handshake: it has a group
    proven,    ///< and acknowledged datagrams of that group
  };
  /// Counts a wrong guess. Gives the number of guesses if the source is refused from now on; else
  /// 0.
  std::uint32_t wrong(const ip_address& source, standing of, guess_kind kind, std::uint32_t guess,
                      time_point now) noexcept;
  /// Whether handshakes of this kind are refused for this source now.
  [[nodiscard]] bool rests(const ip_address& source, standing of, guess_kind kind,
                           time_point now) const noexcept;

private:
  struct tally {
    std::uint32_t count = 0;
    bool proven = false;                  ///< the source was proven at a guess
    time_point until = time_point::min(); ///< end of counting, or of refusing
    std::array<std::uint32_t, 8> last{};  ///< the last guesses, as a ring
  };
  using tallies = std::array<tally, 2>; ///< indexed by guess_kind
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
  /// Indexed by guess_kind: when all guesses so far have expired.
  std::array<time_point, 2> all_until_ = {time_point::min(), time_point::min()};
};

} // namespace tonel::protocol
