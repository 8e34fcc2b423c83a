#pragma once

#include "actors/shard/tunnel_config.hpp"
#include "protocol/session/tunnel_record.hpp"
#include "protocol/time.hpp"

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

namespace tonel::actors {

/// How a tunnel is doing, as a shard knows it.
struct tunnel_summary {
  std::string name;              ///< empty: the only one
  const char* state = "untried"; ///< untried, works, unanswered, failing
  const char* cause = "";        ///< failing, unanswered: why, in one word
  std::string words;             ///< and for people; works: why others do not open
  protocol::duration lasted{0};  ///< and since when
};

/// How one tunnel is doing, for the sessions of all shards: what they meet is gathered, and what is worth
/// a line is logged.
/// Thread: any
class tunnel_health {
public:
  /// Nothing got through.
  void failed(const tunnel_config& tunnel, const protocol::opening_failure& what,
              protocol::time_point now);
  /// Likewise, but that says nothing of the tunnel: it may be a stranger's.
  void remark(const tunnel_config& tunnel, const protocol::opening_failure& what,
              protocol::time_point now);
  /// A session was opened. True: that has ended a time in which none was.
  bool opened(const tunnel_config& tunnel, protocol::time_point now);
  /// A session has begun to carry datagrams, or carries none any more.
  void carries(bool now_does);
  /// A datagram has come back; at the server: from the upstream.
  void replied(const tunnel_config& tunnel, protocol::time_point now);
  /// The name of its remote has not been resolved, or has; whoever tries that has logged it.
  void unresolved(protocol::time_point now);
  void resolved(protocol::time_point now);

  /// As those of protocol::tunnel_record.
  bool take_turn(protocol::time_point now);
  bool has_turn(protocol::time_point now) const;
  protocol::time_point next_turn() const;
  bool awaits_reply() const noexcept { return awaits_reply_.load(std::memory_order_relaxed); }
  /// Cheap enough for each wake-up.
  bool in_trouble() const noexcept { return in_trouble_.load(std::memory_order_relaxed); }

  tunnel_summary summary(const tunnel_config& tunnel, protocol::time_point now) const;

private:
  template <class Change> std::optional<protocol::tunnel_news> change(const Change& what);

  mutable std::mutex mutex_;
  protocol::tunnel_record record_;
  // As in the record.
  std::atomic<bool> in_trouble_{false}, awaits_reply_{true};
};

} // namespace tonel::actors
