#pragma once

#include "actors/shard/config.hpp"
#include "protocol/address.hpp"
#include "protocol/time.hpp"

#include <boost/intrusive/set.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace tonel::actors {

/// The use of a session so far; written by its streams.
/// Thread: the shard's
struct session_use {
  /// Datagrams and their octets.
  struct volume {
    std::uint64_t datagrams = 0, octets = 0;
    void add(std::uint64_t more, std::uint64_t bytes) noexcept {
      datagrams += more;
      octets += bytes;
    }
  };
  using list = std::vector<std::uint64_t>;

  protocol::time_point last{}; ///< time of the last datagram
  std::uint8_t sent = 0;       ///< datagrams into the tunnel; 2: two or more
  std::uint8_t got = 0;        ///< datagrams out of it; 2: two or more
  volume into, out_of;         ///< all of them, each way
  std::uint64_t session = 0;
  std::shared_ptr<list> answered; ///< takes `session` once datagrams have passed both ways

  /// Notes datagrams that have passed this way.
  void note(std::uint8_t session_use::*way, std::size_t datagrams, protocol::time_point now) {
    last = now;
    auto& count = this->*way;
    const bool first = count == 0 && datagrams > 0;
    count = static_cast<std::uint8_t>(std::min<std::size_t>(2, count + datagrams));
    if (first && sent != 0 && got != 0 && answered) answered->push_back(session);
  }
};

/// The order in which sessions end when places run short. At a server first those that have not
/// carried datagrams both ways, the oldest first, since anyone can open them; then those with one
/// question and one answer; then the others, the longest silent first. At a client, where only its
/// own applications open sessions, those without an answer come last, since it may be about to
/// come.
/// Shape:  a session tells when it was answered, but nothing later: so it stays where it was last
///         seen, and is looked at again when it comes to the front
/// Units:  add, remove and first take O(log n) for each session answered since the last call, and a
///         limited number of looks
/// Thread: the shard's
class leave_order {
public:
  using id = std::uint64_t;
  enum class merit : std::uint8_t {
    unproven, ///< no datagrams, or only in one direction
    one_shot, ///< one datagram each way
    proven,   ///< more than that
  };
  struct candidate {
    id session = 0;
    merit worth = merit::unproven;
    protocol::time_point since{}; ///< of its last datagram; unproven: of its start
  };

  explicit leave_order(role side) noexcept : side_(side) {}
  /// source: for first_of(); unspecified: not needed
  void add(id session, const protocol::ip_address& source, std::shared_ptr<session_use> use,
           protocol::time_point now);
  /// Removes a session, if it is there.
  void remove(id session) noexcept;
  std::size_t size() const noexcept { return entries_.size(); }
  /// The first of all sessions; none: there are none.
  std::optional<candidate> first();
  /// The first session of a source; none: there are none.
  std::optional<candidate> first_of(const protocol::ip_address& source, protocol::time_point now);

private:
  // One node a session, since there are many: both lines run through it.
  struct in_all;
  struct in_source;
  template <class Line>
  using hook =
      boost::intrusive::set_base_hook<boost::intrusive::tag<Line>,
                                      boost::intrusive::link_mode<boost::intrusive::normal_link>,
                                      boost::intrusive::optimize_size<true>>;
  using key = std::tuple<std::uint8_t, protocol::time_point, id>; ///< the lowest goes first
  struct entry : hook<in_all>, hook<in_source> {
    id session = 0;
    std::shared_ptr<session_use> use;
    protocol::time_point born{};
    protocol::time_point since{}; ///< as last seen, with `rank`
    protocol::ip_address source;
    std::uint8_t rank = 0;

    key at() const noexcept { return {rank, since, session}; }
  };
  struct goes_first {
    bool operator()(const entry& a, const entry& b) const noexcept { return a.at() < b.at(); }
    bool operator()(const entry& a, const key& b) const noexcept { return a.at() < b; }
    bool operator()(const key& a, const entry& b) const noexcept { return a < b.at(); }
  };
  template <class Line>
  using line = boost::intrusive::set<entry, boost::intrusive::base_hook<hook<Line>>,
                                     boost::intrusive::compare<goes_first>,
                                     boost::intrusive::constant_time_size<false>>;

  static merit merit_of(const session_use& use) noexcept;
  static candidate candidate_of(const entry& e) noexcept;
  std::uint8_t rank_of(merit worth) const noexcept;
  /// Updates the session's place; false: it did not change.
  bool look(entry& e);
  void hear();
  /// The first from this rank on.
  template <class Line> std::optional<candidate> front(line<Line>& all, merit from);

  role side_;
  line<in_all> all_;
  std::map<protocol::ip_address, line<in_source>, protocol::address_less> by_source_;
  std::unordered_map<id, entry> entries_;
  std::shared_ptr<session_use::list> answered_ = std::make_shared<session_use::list>();
};

} // namespace tonel::actors
