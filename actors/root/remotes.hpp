#pragma once

#include "actors/messages/messages.hpp"
#include "actors/messages/status.hpp"
#include "actors/supervision/restart.hpp"
#include "protocol/address.hpp"
#include "protocol/time.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tonel::actors {

/// A try to resolve the name of a tunnel's remote has failed; it is tried again.
struct resolve_failed {
  tunnel_ptr tunnel;
  std::string reason;
};

/// Where the remotes of the tunnels are: asks for the address of each, and again while there is none.
class remotes {
public:
  /// ask: resolves without blocking, and has the answer given to resolved() or failed(); may be null.
  /// tell: for status
  remotes(std::function<void(const tunnel_ptr&)> ask, std::function<void(const part_status&)> tell);

  /// Asks for it.
  void add(const tunnel_ptr& tunnel);
  void remove(const tunnel_ptr& tunnel);
  /// False: it is that of a tunnel which is no more.
  bool resolved(const remote_resolved& found);
  void failed(const resolve_failed& failure, protocol::time_point now);
  /// The latest; nothing: none was ever found.
  std::optional<protocol::endpoint> address(const tunnel_ptr& tunnel) const;

  void on_timer(protocol::time_point now);
  std::optional<protocol::time_point> next_deadline() const;

private:
  struct remote {
    tunnel_ptr tunnel;
    std::optional<protocol::endpoint> address = std::nullopt;
    std::optional<protocol::time_point> ask_at = std::nullopt;
    backoff wait{std::chrono::seconds{1}, std::chrono::seconds{1}, std::chrono::seconds{30}};
    bool told_unresolved = false;
  };
  remote* find(const tunnel_ptr& tunnel);

  std::function<void(const tunnel_ptr&)> ask_;
  std::function<void(const part_status&)> tell_;
  std::vector<remote> all_;
};

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::resolve_failed)
