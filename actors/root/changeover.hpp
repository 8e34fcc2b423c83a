#pragma once

#include "actors/messages/messages.hpp"
#include "protocol/time.hpp"

#include <optional>

namespace tonel::actors {

/// From the tunnels before a reload to those after it, without a packet that the firewall's rules do
/// not know: the rules of new tunnels come first, those of ended ones stay until their last packets are
/// out.
class changeover {
public:
  struct due {
    bool tunnels = false; ///< the shards are to get the new tunnels
    bool rules = false;   ///< leaving() is another
  };

  /// A reload has changed tunnels; the rules for that are being set.
  void begin(protocol::time_point now);
  /// The rules have been tried, or nobody sets any. True: the shards are to get the new tunnels now.
  bool rules_tried(protocol::time_point now);
  /// What tunnels that have ended still need; add to it before begin().
  ensure_rules& leaving() noexcept { return leaving_; }

  due on_timer(protocol::time_point now);
  std::optional<protocol::time_point> next_deadline() const;

private:
  std::optional<protocol::time_point> switch_at_; ///< whether the rules have been tried or not
  ensure_rules leaving_;
  std::optional<protocol::time_point> leaving_until_;
};

} // namespace tonel::actors
