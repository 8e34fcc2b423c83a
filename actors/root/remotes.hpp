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

/// The name of a tunnel's remote could not be resolved; it will be tried again.
struct resolve_failed {
  tunnel_ptr tunnel;
  std::string reason;
};

/// The addresses of the tunnels' remotes: resolves each, and again while there is no answer.
class remotes {
public:
  /// ask: begins to resolve; its answer is given to resolved() or failed(). It may be null
  /// tell: takes the state of each remote, for status
  remotes(std::function<void(const tunnel_ptr&)> ask, std::function<void(const part_status&)> tell);

  /// Takes the tunnel and asks for its remote's address.
  void add(const tunnel_ptr& tunnel);
  void remove(const tunnel_ptr& tunnel);
  /// False: the tunnel has been removed meanwhile.
  bool resolved(const remote_resolved& found);
  void failed(const resolve_failed& failure, protocol::time_point now);
  /// The latest address; none: never resolved.
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
