#pragma once

#include "actors/shard/tunnel_config.hpp"
#include "protocol/address.hpp"
#include "protocol/hello.hpp"
#include "protocol/session_proof.hpp"
#include "protocol/time.hpp"
#include "system/datagram_socket.hpp"

#include <boost/container/small_vector.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace tonel::actors {

/// The UDP sockets of one session at the server, one or more, each with its own source port. The
/// first takes no memory of its own.
using upstream_sockets = boost::container::small_vector<std::shared_ptr<sys::datagram_socket>, 1>;

/// What a server's session leaves that ended by a fault: its sockets, by which the upstream knows it, and
/// what its client proves itself by.
struct estate {
  tunnel_ptr tunnel;
  protocol::session_proof proof;
  upstream_sockets sockets;
  protocol::endpoint upstream;
};

/// The estates of a shard's sessions, for the next session of the same client.
/// Shape:  an estate is there for as long as the session might have been idle
/// Thread: the shard's; outlives its actors
class estates {
public:
  void leave(const protocol::session_id& of, estate what, protocol::time_point now);
  /// Whether the hello is from the client of a session that has left an estate.
  bool has(const tunnel_ptr& tunnel, const protocol::hello_repr& hello) const;
  /// That estate, where there is one; its proof has not seen the hello.
  std::optional<estate> take(const tunnel_ptr& tunnel, const protocol::hello_repr& hello);
  /// The tunnel is no more.
  void drop(const tunnel_ptr& tunnel) noexcept;
  /// Call it when deadline() has come; an earlier call does no harm.
  void expire(protocol::time_point now);
  std::optional<protocol::time_point> deadline() const noexcept { return next_; }
  std::size_t size() const noexcept { return all_.size(); }

private:
  struct entry {
    estate what;
    protocol::time_point until{};
  };
  using key = std::pair<const tunnel_config*, protocol::session_id>;
  using entry_map = std::map<key, entry>;
  entry_map::const_iterator find(const tunnel_ptr& tunnel, const protocol::hello_repr& hello) const;

  entry_map all_;
  std::optional<protocol::time_point> next_; ///< none of them ends before
};

} // namespace tonel::actors
