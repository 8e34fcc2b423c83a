#pragma once

#include "actors/interfaces.hpp"
#include "actors/reactor_actor.hpp"
#include "actors/shard.hpp"

#include <caf/behavior.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace tonel::actors {

struct udp_endpoint_state;

/// The server's UDP socket of one session: streams -> upstream, and back.
caf::behavior udp_endpoint(pinned<udp_endpoint_state>* self, shard* where,
                           std::shared_ptr<sys::datagram_socket> socket, caf::actor session);

struct udp_endpoint_state {
  static inline const char* name = "udp_endpoint";

  explicit udp_endpoint_state(pinned<udp_endpoint_state>* owner) : self(owner) {}
  void start(shard* s, std::shared_ptr<sys::datagram_socket> socket_of_session,
             const caf::actor& session);
  void read();
  void send(datagram_batch& batch);

  std::vector<stream_actor> streams;

private:
  pinned<udp_endpoint_state>* self;
  shard* where = nullptr;
  std::shared_ptr<sys::datagram_socket> socket;
  reactor::watch_id watch = 0;
  std::size_t next = 0;
};

} // namespace tonel::actors
