#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "actors/shard/leave_order.hpp"
#include "actors/shard/shard.hpp"
#include "protocol/session/server_session.hpp"

#include <caf/behavior.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace tonel::actors {

struct server_session_state;

/// What a session at the server is spawned with.
struct server_session_start {
  shard* where = nullptr;
  tunnel_ptr tunnel;
  caf::actor queue; ///< its shard's tun_queue
  caf::actor supervisor;
  protocol::endpoint upstream;
  group_registry::lease group; ///< of an older client: released when nobody can join any more
  std::shared_ptr<protocol::answer_limit> answers;   ///< of an older client
  std::optional<protocol::session_proof> proof = {}; ///< of a native client: for its hellos
  std::shared_ptr<session_use> use;
};

/// One peer's session at the server: the shell around one protocol::server_session, whose effects it
/// runs; owns its UDP sockets.
caf::behavior server_session(pinned<server_session_state>* self, const server_session_start& start);

struct server_session_state {
  static inline const char* name = "session";

  explicit server_session_state(pinned<server_session_state>* owner) : self(owner) {}
  void start(const server_session_start& s);
  void adopt(adopt_stream& request);
  /// What the machine makes of `call`; request: the stream that it may be about.
  template <class Call> void step(const Call& call, adopt_stream* request = nullptr);
  void on_down(const caf::down_msg& down);
  void tell_status(const ask_status& question) const;

private:
  /// A stream whose actor has not ended yet.
  struct child {
    protocol::stream_number number = 0;
    stream_actor stream;
  };

  const child* find(protocol::stream_number number) const;
  void run(const protocol::server_effects& effects, adopt_stream* request);
  void admit(const protocol::admit_stream& how, adopt_stream& request);
  void give(protocol::stream_number number, adopt_stream& request);
  void open_upstreams();
  void release_upstreams();
  void announce(const protocol::announce_streams& now);
  void log(const protocol::session_remark& what) const;

  pinned<server_session_state>* self;
  shard* where = nullptr;
  tunnel_ptr tunnel;
  caf::actor queue;
  caf::actor supervisor;
  protocol::endpoint upstream;
  /// Connected to the upstream, from the first datagram on: a handshake does not cost a socket. The
  /// session's for the rest of its life, so that the upstream sees the same peer whatever happens to
  /// streams.
  upstream_sockets sockets;
  group_registry::lease group;
  std::shared_ptr<session_use> use; ///< all streams write it
  caf::actor endpoint;
  std::optional<protocol::server_session> machine; ///< set from start() on
  std::vector<child> streams;
  protocol::time_point born{};
};

} // namespace tonel::actors
