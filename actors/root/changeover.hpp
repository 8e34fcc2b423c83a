#pragma once

#include "actors/messages/messages.hpp"
#include "protocol/time.hpp"

#include <optional>

namespace tonel::actors {

/// The steps from the tunnels before a reload to those after it, so that no packet lacks its
/// firewall rules: rules of new tunnels are set before the tunnels start, and rules of ended
/// tunnels stay until their last packets are out.
class changeover {
public:
  struct due {
    bool tunnels = false; ///< send the new tunnels to the shards
    bool rules = false;   ///< leaving() has changed: send the rules again
  };

  /// A reload has changed tunnels; their rules have been sent to the firewall actor.
  void begin(protocol::time_point now);
  /// The rules have been tried, or none are wanted. True: send the new tunnels to the shards now.
  bool rules_tried(protocol::time_point now);
  /// The rules that ended tunnels still need; add to them before begin().
  ensure_rules& leaving() noexcept { return leaving_; }

  due on_timer(protocol::time_point now);
  std::optional<protocol::time_point> next_deadline() const;

private:
  std::optional<protocol::time_point> switch_at_; ///< latest time, even without the rules
  ensure_rules leaving_;
  std::optional<protocol::time_point> leaving_until_;
};

} // namespace tonel::actors
