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

/// The actor of one session's UDP sockets at the server: sends datagrams of streams to the
/// upstream, the runs by each socket in turn, and reads replies from all sockets.
caf::behavior udp_endpoint(pinned<udp_endpoint_state>* self, shard* where,
                           const upstream_sockets& sockets);

struct udp_endpoint_state : inlets<wire_to_app> {
  static inline const char* name = "udp_endpoint";

  explicit udp_endpoint_state(pinned<udp_endpoint_state>* owner) : self(owner) {}
  void start(shard* s, const upstream_sockets& sockets_of_session);
  void on(const fd_event& ready);
  void on(wire_to_app& batch) override;
  void set_streams(const streams_changed& changed);
  void close();

private:
  pinned<udp_endpoint_state>* self;
  shard* where = nullptr;
  upstream_sockets sockets;
  boost::container::small_vector<outlet<app_to_wire, stream_actor>, 1> streams;
  std::size_t next = 0;        ///< the stream that the next batch goes to
  std::size_t next_socket = 0; ///< the socket that the next run goes to
};

} // namespace tonel::actors
