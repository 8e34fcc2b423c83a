#pragma once

#include "actors/interfaces.hpp"
#include "actors/reactor_actor.hpp"
#include "actors/shard.hpp"
#include "actors/supervision.hpp"

#include <caf/behavior.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

namespace tonel::actors {

struct server_session_state;

/// One peer's session at the server: owns its UDP sockets, takes the streams that join it.
/// sockets: connected to the upstream; the session's for all its life, so that the upstream sees the
/// same peer whatever happens to streams
caf::behavior server_session(pinned<server_session_state>* self, shard* where,
                             const tunnel_ptr& tunnel, caf::actor queue,
                             const upstream_sockets& sockets);

struct server_session_state {
  static inline const char* name = "session";

  explicit server_session_state(pinned<server_session_state>* owner) : self(owner) {}
  void start(shard* s, const tunnel_ptr& session_tunnel, const caf::actor& tun_queue,
             const upstream_sockets& udp);
  void adopt(adopt_stream& hello);
  void on_event(const stream_event& event);
  void on_down(const caf::down_msg& down);
  void on_timer();
  void probe();
  void close(bool at_exit);

private:
  struct member {
    stream_actor stream;
    caf::actor_id id = 0;
    protocol::four_tuple tuple;
    bool idle = false;
  };

  void spawn_endpoint();
  void remove(std::uint64_t stream);
  void announce();
  void note_streamless();
  void finish_if_done();

  pinned<server_session_state>* self;
  shard* where = nullptr;
  tunnel_ptr tunnel;
  caf::actor queue;
  upstream_sockets sockets;
  caf::actor endpoint;
  std::map<std::uint8_t, member> members; ///< by stream index
  /// Stream actors that have not ended yet, those among them that only drain too.
  std::unordered_map<caf::actor_id, member> alive;
  restart_budget faults{3, std::chrono::seconds{30}};
  std::optional<protocol::time_point> streamless_since;
  bool closing = false;
  bool told_too_large = false;
};

} // namespace tonel::actors
