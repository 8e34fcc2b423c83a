#pragma once

#include "protocol/time.hpp"
#include "tests/sim/conntrack.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <vector>

namespace tonel::sim {

using protocol::duration;
using protocol::time_point;

/// The faults of a path; probabilities are for the whole path, one way.
struct path_options {
  double loss = 0;
  double duplicate = 0;
  double reorder = 0; ///< overtaken by packets sent up to 40 ms later
  duration delay = std::chrono::milliseconds{20};
  duration jitter{0};          ///< keeps the order
  bool drop_invalid = false;   ///< trackers drop INVALID packets
  bool newer_trackers = false; ///< conntrack::ignore_delayed
};

/// Two links with a tracker at each end and one between: client, host's tracker, link, router's
/// tracker, link, host's tracker, server.
class network {
public:
  network(std::uint64_t seed, const path_options& options);

  /// Splits a super-segment and sends its segments.
  void send(bool from_client, const protocol::segment_header& header, protocol::byte_view payload,
            std::uint32_t datagram_size, time_point now);
  /// The time of the next arrival anywhere.
  std::optional<time_point> next() const;
  /// Moves packets that are due at `now`; gives those that reach an end, in order.
  std::vector<packet> advance(time_point now);

  /// Packets for which it gives true are lost at their start.
  void set_filter(std::function<bool(const packet&)> lose) { lose_ = std::move(lose); }
  void set_loss(double loss) { options_.loss = loss; }
  /// Loses all packets of a direction, until lifted.
  void set_blackout(bool up, bool down) { blackout_ = {down, up}; }

  std::uint64_t sent() const { return sent_; }
  std::uint64_t lost() const { return lost_; }
  std::uint64_t duplicated() const { return duplicated_; }
  /// The first packet that a tracker called INVALID, with the reason; empty: none.
  const std::string& invalid() const { return invalid_; }
  std::uint64_t invalid_packets() const { return invalid_packets_; }
  const conntrack& tracker(std::size_t i) const { return trackers_[i]; }

private:
  struct hop {
    time_point at;
    std::uint64_t order;
    std::size_t slot;
    bool last; ///< on the last of two links
    friend bool operator>(const hop& a, const hop& b) {
      return a.at != b.at ? a.at > b.at : a.order > b.order;
    }
  };
  void onto_link(packet p, bool last, time_point now);
  bool likely(double probability);
  /// False: drop the packet.
  bool watch(std::size_t tracker, const packet& p, time_point now);

  std::mt19937_64 random_;
  path_options options_;
  std::priority_queue<hop, std::vector<hop>, std::greater<>> hops_;
  std::vector<packet> slots_;
  std::vector<std::size_t> free_;
  std::array<std::array<time_point, 2>, 2> latest_{}; ///< indexed by link and direction
  std::array<conntrack, 3> trackers_;
  std::string invalid_;
  std::uint64_t invalid_packets_ = 0;
  std::function<bool(const packet&)> lose_;
  std::uint64_t order_ = 0, sent_ = 0, lost_ = 0, duplicated_ = 0;
  std::array<bool, 2> blackout_{}; ///< indexed by direction: from the server, from the client
};

} // namespace tonel::sim
