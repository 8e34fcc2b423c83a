#pragma once

#include "actors/messages/interfaces.hpp"
#include "actors/runtime/inlet.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "actors/shard/shard.hpp"

#include <boost/container/small_vector.hpp>
#include <caf/behavior.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace tonel::actors {

struct udp_endpoint_state;

/// What an endpoint is spawned with.
struct udp_endpoint_start {
  shard* where = nullptr;
  upstream_sockets sockets;
  tunnel_ptr tunnel;
  std::shared_ptr<tunnel_health> health; ///< the tunnel's
  caf::actor session;
  bool tells_answer = false; ///< the session is to hear of the first reply
};

/// The actor of one session's UDP sockets at the server: sends datagrams of streams to the
/// upstream, the runs by each socket in turn, and reads replies from all sockets. It tells the session
/// when the upstream refuses datagrams, once in 10 s at most.
caf::behavior udp_endpoint(pinned<udp_endpoint_state>* self, const udp_endpoint_start& start);

struct udp_endpoint_state : inlets<wire_to_app> {
  static inline const char* name = "udp_endpoint";

  explicit udp_endpoint_state(pinned<udp_endpoint_state>* owner) : self(owner) {}
  void start(const udp_endpoint_start& s);
  void on(const fd_event& ready);
  void on(wire_to_app& batch) override;
  void set_streams(const streams_changed& changed);
  void close();

private:
  void note_refusal(int error);
  void note_answer();

  pinned<udp_endpoint_state>* self;
  shard* where = nullptr;
  upstream_sockets sockets;
  tunnel_ptr tunnel;
  std::shared_ptr<tunnel_health> health;
  boost::container::small_vector<outlet<app_to_wire, stream_actor>, 1> streams;
  std::size_t next = 0;        ///< the stream that the next batch goes to
  std::size_t next_socket = 0; ///< the socket that the next run goes to
  server_session_actor session;
  protocol::time_point refusal_at{}; ///< the next one may be told then
  bool tells_answer = false;         ///< the first reply is to be told
  bool heard = false;                ///< a datagram of the upstream has come
};

} // namespace tonel::actors
