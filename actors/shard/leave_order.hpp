#pragma once

#include "actors/shard/config.hpp"
#include "protocol/address.hpp"
#include "protocol/time.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace tonel::actors {

/// What a session was good for; its streams write it.
/// Thread: the shard's
struct session_use {
  using list = std::vector<std::uint64_t>;

  protocol::time_point last{}; ///< when a datagram last passed
  std::uint8_t sent = 0;       ///< datagrams into the tunnel; 2: two or more
  std::uint8_t got = 0;        ///< and out of it
  std::uint64_t session = 0;
  std::shared_ptr<list> answered; ///< where it says that datagrams have passed both ways

  /// So many datagrams have passed this way.
  void note(std::uint8_t session_use::*way, std::size_t datagrams, protocol::time_point now) {
    last = now;
    auto& count = this->*way;
    const bool first = count == 0 && datagrams > 0;
    count = static_cast<std::uint8_t>(std::min<std::size_t>(2, count + datagrams));
    if (first && sent != 0 && got != 0 && answered) answered->push_back(session);
  }
};

/// Tells which session goes first when places run short. At the server those that have not carried
/// datagrams both ways, the oldest first: anyone can open them. Then those of one question and one
/// answer, then the others, the longest silent first. At the client, where nobody but its own
/// applications opens sessions, one without an answer goes last: it may be about to come.
/// Shape:  a session says when it has been answered; of what it does then nothing is told, so it stands
///         where it was last seen, and is looked at again when it is in front
/// Units:  add, remove and first take O(log n) for each session that was answered since the last call,
///         and a bounded number of looks
/// Thread: the shard's
class leave_order {
public:
  using id = std::uint64_t;
  enum class merit : std::uint8_t {
    unproven, ///< no datagram, or none in one direction
    one_shot, ///< one each way
    proven,
  };
  struct candidate {
    id session = 0;
    merit worth = merit::unproven;
    protocol::time_point since{}; ///< silent; unproven: there
  };

  explicit leave_order(role side) noexcept : side_(side) {}
  /// source: whom first_of() asks for; none: nobody does
  void add(id session, const protocol::ip_address& source, std::shared_ptr<session_use> use,
           protocol::time_point now);
  void remove(id session) noexcept;
  std::size_t size() const noexcept { return entries_.size(); }
  /// Of all.
  std::optional<candidate> first();
  /// Of one source.
  std::optional<candidate> first_of(const protocol::ip_address& source, protocol::time_point now);

private:
  using key = std::tuple<std::uint8_t, protocol::time_point, id>; ///< the lowest goes first
  using line = std::set<key>;
  struct entry {
    protocol::ip_address source;
    std::shared_ptr<session_use> use;
    protocol::time_point born{};
    key at;
  };
  using entry_map = std::unordered_map<id, entry>;

  static merit merit_of(const session_use& use) noexcept;
  candidate candidate_of(const entry_map::value_type& each) const noexcept;
  std::uint8_t rank_of(merit worth) const noexcept;
  /// Puts it where it belongs now; false: there it was.
  bool look(entry_map::value_type& each);
  void hear();
  /// The first from this rank on.
  std::optional<candidate> front(line& all, merit from);

  role side_;
  line all_;
  std::map<protocol::ip_address, line, protocol::address_less> by_source_;
  entry_map entries_;
  std::shared_ptr<session_use::list> answered_ = std::make_shared<session_use::list>();
};

} // namespace tonel::actors
