#pragma once

#include "actors/messages/messages.hpp"
#include "actors/messages/status.hpp"
#include "protocol/address.hpp"
#include "protocol/session/remote_addresses.hpp"
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

/// The addresses of the tunnels' remotes: a protocol::remote_addresses for each, whose questions it asks.
/// New addresses are kept back from the sessions until the firewall rules know them.
class remotes {
public:
  using change = protocol::remote_addresses::change;

  /// ask: begins to resolve; its answer is given to resolved() or failed(). It may be null
  /// tell: takes the state of each remote, for status
  remotes(std::function<void(const tunnel_ptr&)> ask, std::function<void(const part_status&)> tell);

  /// Takes the tunnel and asks for its remote's addresses.
  void add(const tunnel_ptr& tunnel, protocol::time_point now);
  void remove(const tunnel_ptr& tunnel);
  /// Asks again for the addresses of every name.
  void ask_all(protocol::time_point now);
  /// What the answer changes for the tunnel's sessions; none where the tunnel has been removed.
  change resolved(const remote_resolved& found, protocol::time_point now);
  void failed(const resolve_failed& failure, protocol::time_point now);
  change tried(const remote_tried& what, protocol::time_point now);

  /// In the order in which they are to be tried; none was ever found: empty.
  std::vector<protocol::endpoint> addresses(const tunnel_ptr& tunnel) const;
  /// These, and others where streams may still be.
  std::vector<protocol::endpoint> in_use(const tunnel_ptr& tunnel) const;

  /// The tunnel's addresses are to be told when the rules were tried, or 2 s later.
  void keep_back(const tunnel_ptr& tunnel, protocol::time_point now);
  /// The rules were tried: the tunnels that may be told.
  std::vector<tunnel_ptr> let_go();

  /// The tunnels that are to be told now, though no rules were tried.
  std::vector<tunnel_ptr> on_timer(protocol::time_point now);
  std::optional<protocol::time_point> next_deadline() const;

private:
  struct remote {
    tunnel_ptr tunnel;
    protocol::remote_addresses addresses;
    bool told_unresolved = false;
    std::string remark = {}; ///< said last
  };
  remote* find(const tunnel_ptr& tunnel);
  const remote* find(const tunnel_ptr& tunnel) const;
  void show(const remote& r) const;

  std::function<void(const tunnel_ptr&)> ask_;
  std::function<void(const part_status&)> tell_;
  std::vector<remote> all_;
  std::vector<tunnel_ptr> kept_back_;
  std::optional<protocol::time_point> until_;
};

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::resolve_failed)
